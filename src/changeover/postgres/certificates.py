"""Certificates in an address. They are always text here; a path is read once, and only for the operator."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from changeover.errors import Forbidden
from changeover.errors.elsewhere import BadAddress

CERTIFICATES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
SYSTEM = "system"
"""As sslrootcert: the authorities that the operating system trusts."""
LARGEST_BYTES = 400_000
"""The bundles of large providers have up to 200 kB."""
BUNDLES = (
    ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
)  # fmt: skip


def is_text(value: str) -> bool:
    """Whether this is PEM text or `system`, rather than a path."""
    return value == SYSTEM or value.lstrip().startswith("-----BEGIN") or "\n" in value


def system_bundle() -> str | None:
    """The file with the authorities that the system trusts. Older PostgreSQL programs don't know `system`."""
    return next((path for path in BUNDLES if path and Path(path).is_file()), None)


def read_certificate(name: str, path: str, *, is_operator: bool) -> str:
    """The file's content. Raises Forbidden, BadAddress."""
    if not is_operator:
        raise Forbidden(
            "Only the operator may use files of this host in an address.",
            why=f"{name} would be read as the user that the control plane runs as.",
            fix=f"Send the PEM text as {name}. The `changeover` CLI does this for files on your machine.",
        )
    file = Path(path)
    try:
        if not file.is_absolute() or not file.is_file() or file.stat().st_size > LARGEST_BYTES:
            raise BadAddress(f"{name} can't be read.", why=f"It must be a file with PEM text: {path}.")
        return file.read_text()
    except (OSError, ValueError) as error:
        raise BadAddress(f"{name} can't be read.", why=f"{path}: {error}.") from None


def checked_certificate(name: str, text: str) -> str:
    """The text, if it is valid for `name`. Raises BadAddress, whose message does not contain the text."""
    if name == "sslrootcert" and text == SYSTEM:
        return text
    try:
        if len(text) > LARGEST_BYTES or not is_text(text):
            raise ValueError("It isn't PEM text")  # noqa: TRY301 - reported below
        _load(name, text)
    except (ValueError, TypeError, ssl.SSLError, UnicodeError) as error:
        kinds = {"sslkey": "an unencrypted private key", "sslcrl": "a revocation list"}
        raise BadAddress(
            f"{name} can't be used.",
            why=f"It must be {kinds.get(name, 'certificates')} as PEM text. {type(error).__name__}.",
            fix="Give the file's path on the command line: `changeover` sends its content.",
        ) from None
    return text


def _load(name: str, text: str) -> None:
    if name == "sslkey":
        load_pem_private_key(text.encode(), password=None)
    elif name == "sslcrl":
        x509.load_pem_x509_crl(text.encode())
    elif name == "sslcert":
        x509.load_pem_x509_certificates(text.encode())
    else:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
