"""A dyno's terminal as the control plane offers it: TLS with a certificate of a test's own authority.

What the dyno does is a function of its line, so that each test says it itself.
"""

from __future__ import annotations

import datetime
import ipaddress
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SECRET = "a-secret-of-the-tests"
Dyno = Callable[[ssl.SSLSocket], None]


@dataclass
class Authority:
    """Signs one certificate for 127.0.0.1; both are files, because ssl reads nothing else."""

    folder: Path
    certificate: str = ""
    context: ssl.SSLContext = field(init=False)

    def __post_init__(self) -> None:
        key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        own = _certificate(name, name, key, key).add_extension(x509.BasicConstraints(True, None), critical=True)
        own = own.add_extension(usage, critical=True)
        own = own.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        leaf = _certificate(x509.Name([]), name, leaf_key, key).add_extension(address, critical=False)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        leaf = leaf.add_extension(above, critical=False)
        self.certificate = _pem(own.sign(key, hashes.SHA256()))
        pair = self.folder / "pair.pem"
        secret = leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pair.write_text(secret.decode() + _pem(leaf.sign(key, hashes.SHA256())))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pair)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, _signer: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Rendezvous:
    """Where the dyno waits; `heard` is what was typed to it, `dyno` what it does with a greeted line."""

    url: str
    authority: Authority
    dyno: Dyno
    heard: bytearray = field(default_factory=bytearray)

    def until(self, line: ssl.SSLSocket, end: bytes, timeout_s: float = 15) -> bytes:
        """What was typed up to and with `end`."""
        line.settimeout(timeout_s)
        while end not in self.heard:
            chunk = line.recv(65536)
            if not chunk:
                break
            self.heard += chunk
        return bytes(self.heard)


@contextmanager
def running_rendezvous(folder: Path) -> Iterator[Rendezvous]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        there = Rendezvous(
            f"rendezvous://127.0.0.1:{listener.getsockname()[1]}/{SECRET}", Authority(folder), lambda _line: None
        )
        stop, stopping = socket.socketpair()

        def serve() -> None:
            while listener in select.select([listener, stopping], [], [])[0]:
                raw, _ = listener.accept()
                with suppress(OSError), there.authority.context.wrap_socket(raw, server_side=True) as line:
                    if line.recv(1024) == f"{SECRET}\r\n".encode():
                        line.sendall(b"rendezvous\r\n")
                        there.dyno(line)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield there
        finally:
            stop.send(b".")
            thread.join(20)
            stop.close()
            stopping.close()
