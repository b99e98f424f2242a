"""Our certificate authority and each server's leaf certificate, which is renewed after two thirds of its lifetime."""

from __future__ import annotations

import fcntl
import ipaddress
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from changeover.postgres.cluster import make_folder, write_file

LEAF_LIFETIME = timedelta(days=365)
AUTHORITY_LIFETIME = timedelta(days=3650)
EARLIER = timedelta(days=365)
"""Certificates are valid from this long before their creation, because clocks can be wrong or set back.

Even so, a leaf's lifetime stays below 825 days, the maximum that some clients accept.
"""


class CertificateAuthority:
    """The CA in `directory`. Its key (0600) and certificate are created on first use."""

    def __init__(self, directory: Path) -> None:
        self.certificate_path = directory / "ca.crt"
        self._key_path = directory / "ca.key"
        self._directory = directory

    def ensure(self) -> Path:
        """Create a missing key and certificate. Returns the certificate's path, for `sslrootcert`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._directory.chmod(0o755)  # clients of every system user read the certificate
        with _locked(self._directory):
            if not self.certificate_path.exists():
                key = ec.generate_private_key(ec.SECP256R1())
                write_file(self._key_path, _pem(key), run_as=None)
                certificate = _authority_certificate(key).public_bytes(Encoding.PEM)
                write_file(self.certificate_path, certificate, run_as=None, mode=0o644)
        return self.certificate_path

    def issue(self, names: Iterable[str], folder: Path, *, owner: str | None, now: datetime | None = None) -> None:
        """Write server.key and server.crt (the leaf, then the CA) for these names or addresses to `folder`."""
        self.ensure()
        make_folder(folder, run_as=owner)
        authority = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
        authority_key = cast(
            ec.EllipticCurvePrivateKey, load_pem_private_key(self._key_path.read_bytes(), password=None)
        )
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _leaf(list(names), key, authority, now or datetime.now(UTC)).sign(authority_key, hashes.SHA256())
        write_file(folder / "server.key", _pem(key), run_as=owner)
        chain = leaf.public_bytes(Encoding.PEM) + self.certificate_path.read_bytes()
        write_file(folder / "server.crt", chain, run_as=owner, mode=0o644)

    def renew_if_due(self, names: Iterable[str], folder: Path, *, owner: str | None) -> bool:
        """Issue again if the leaf is missing, not valid yet, or two thirds of its lifetime are over. True if it did."""
        path = folder / "server.crt"
        if path.exists() and not _is_due(path):
            return False
        self.issue(names, folder, owner=owner)
        return True


def _is_due(path: Path) -> bool:
    leaf = x509.load_pem_x509_certificate(path.read_bytes())
    now = datetime.now(UTC)
    return now < leaf.not_valid_before_utc or leaf.not_valid_after_utc - now <= LEAF_LIFETIME / 3


def _authority_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "changeover CA")])
    builder = _certificate(name, name, key, now, AUTHORITY_LIFETIME)
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(key, hashes.SHA256())


def _leaf(
    names: list[str], key: ec.EllipticCurvePrivateKey, authority: x509.Certificate, now: datetime
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    issuer_key = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = _certificate(subject, authority.subject, key, now, LEAF_LIFETIME)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(
        x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
    )
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key)
    return builder.add_extension(identifier, critical=False)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + lifetime)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
