"""Encryption of secrets that our state must be able to read (passwords, config vars), and hashing of those it must not."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

TOKEN_PREFIX = "changeover-"  # noqa: S105 - no secret
"""Our tokens are useless elsewhere, in case the official CLI is made to send one to Heroku."""


class Cipher:
    """Fernet with rotatable keys: the first encrypts, all decrypt."""

    def __init__(self, keys: list[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    @classmethod
    def from_file(cls, path: Path) -> Cipher:
        """One key per line. Creates a missing file (0600) with a new key."""
        if not path.exists():
            write_secret_file(path, Fernet.generate_key().decode() + "\n")
        return cls(path.read_bytes().split())

    def encrypt(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def decrypt(self, sealed: bytes) -> str:
        """Raises cryptography.fernet.InvalidToken if no key matches."""
        return self._fernet.decrypt(sealed).decode()

    def decrypt_fresh(self, sealed: bytes, *, most_s: int) -> str | None:
        """What was encrypted at most that long ago. None for anything else."""
        try:
            return self._fernet.decrypt(sealed, ttl=most_s).decode()
        except InvalidToken:
            return None

    def encrypt_map(self, values: Mapping[str, str]) -> bytes:
        return self.encrypt(json.dumps(values))

    def decrypt_map(self, sealed: bytes) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.decrypt(sealed))
        return found


def write_secret_file(path: Path, text: str) -> None:
    """Write atomically. The file is readable only by its owner from the beginning."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Tokens are 256 random bits, so a plain hash can't be reversed."""
    return hashlib.sha256(token.encode()).digest()


def token_hint(token: str) -> str:
    """For lists: the beginning and the end, as the official CLI compares them."""
    return f"{token[:14]}{'*' * 10}{token[-4:]}"


def new_password() -> str:
    """64 characters that need no quoting in shells, URLs or configuration files."""
    return secrets.token_hex(32)


def new_role_name() -> str:
    return "u" + secrets.token_hex(7)


def new_database_name() -> str:
    return "d" + secrets.token_hex(7)
