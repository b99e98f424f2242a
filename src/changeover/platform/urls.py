"""Database URLs: written uniformly (postgres://, a name or address, always a port), parsed leniently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlencode, urlsplit

from changeover.errors import InvalidParams


@dataclass(frozen=True)
class DatabaseUrl:
    """`user` and `password` are None in a URL for display.

    `parameters` are further connection parameters (TLS and so on). Only adopted databases have any.
    """

    host: str
    port: int
    database: str
    user: str | None = None
    password: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        who = f"{quote(self.user, safe='')}{secret}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = f"?{urlencode(self.parameters, quote_via=quote)}" if self.parameters else ""
        return f"postgres://{who}{host}:{self.port}/{quote(self.database, safe='')}{query}"

    @property
    def bare(self) -> str:
        """Without user and password."""
        return str(DatabaseUrl(self.host, self.port, self.database))

    @classmethod
    def parse(cls, text: str) -> DatabaseUrl:
        """Raises InvalidParams. Its message never contains the URL, which may include a password."""
        try:
            parts = urlsplit(text)
            port = parts.port or 5432
        except ValueError as error:
            raise InvalidParams("Invalid database URL.", why=str(error)) from None
        if parts.scheme not in ("postgres", "postgresql") or not parts.hostname:
            raise InvalidParams("Invalid database URL.", fix="Write it as postgres://user@host:5432/name.")
        return cls(
            host=parts.hostname,
            port=port,
            database=unquote(parts.path.lstrip("/")),
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


def looks_like_url(text: str) -> bool:
    return text.startswith(("postgres://", "postgresql://"))
