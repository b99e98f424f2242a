"""Database URLs: written one way (postgres://, a name or address, always a port), read leniently."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from changeover.errors import InvalidParams


@dataclass(frozen=True)
class DatabaseUrl:
    """`user` and `password` are None in a URL for display."""

    host: str
    port: int
    database: str
    user: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        who = f"{quote(self.user or '', safe='')}:{quote(self.password or '', safe='')}@" if self.user else ""
        return f"postgres://{who}{self.host}:{self.port}/{quote(self.database, safe='')}"

    @property
    def bare(self) -> str:
        """Without user and password."""
        return str(DatabaseUrl(self.host, self.port, self.database))

    @classmethod
    def parse(cls, text: str) -> DatabaseUrl:
        """Raises InvalidParams; the message never repeats the URL, which may hold a password."""
        try:
            parts = urlsplit(text)
            port = parts.port or 5432
        except ValueError as error:
            raise InvalidParams("That is no usable database URL.", why=str(error)) from None
        if parts.scheme not in ("postgres", "postgresql") or not parts.hostname:
            raise InvalidParams("That is no usable database URL.", fix="Write it as postgres://user@host:5432/name.")
        return cls(
            host=parts.hostname,
            port=port,
            database=unquote(parts.path.lstrip("/")),
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


def looks_like_url(text: str) -> bool:
    return text.startswith(("postgres://", "postgresql://"))
