"""Where a database is that somebody else runs: a URL or a conninfo string, read, and never shown with its password."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from changeover.errors.elsewhere import BadAddress

KEEPALIVES = {"keepalives": "1", "keepalives_idle": "10", "keepalives_interval": "10", "keepalives_count": "6"}
"""Notices within 70 seconds that the other side is gone; what pgcopydb and Azure's service use."""
PROGRAM_VARIABLES = {
    "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER",
    "password": "PGPASSWORD", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY", "sslcrl": "PGSSLCRL", "sslnegotiation": "PGSSLNEGOTIATION", "options": "PGOPTIONS",
    "channel_binding": "PGCHANNELBINDING", "gssencmode": "PGGSSENCMODE", "require_auth": "PGREQUIREAUTH",
    "target_session_attrs": "PGTARGETSESSIONATTRS", "connect_timeout": "PGCONNECT_TIMEOUT",
    "application_name": "PGAPPNAME",
}  # fmt: skip
"""libpq's parameters as the environment variables that its programs read: a password never is an argument."""


@dataclass(frozen=True)
class Location:
    """One database. `parameters` are libpq's, defaults filled in: host, port, dbname and user are always there."""

    parameters: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Location:
        """From `postgres://…` or `host=… dbname=…`. Raises BadAddress, which never repeats the text."""
        if "://" in text and not text.startswith(("postgres://", "postgresql://")):
            raise BadAddress("That is no PostgreSQL address.", fix="Write it as postgres://user@host:5432/name.")
        try:
            given = {name: str(value) for name, value in conninfo_to_dict(text).items() if value is not None}
        except ProgrammingError:
            raise BadAddress(
                "That is no usable database address.",
                why="libpq can't read it; it isn't repeated here because it may hold a password.",
                fix="Write it as postgres://user@host:5432/name, with anything unusual in it percent-encoded.",
            ) from None
        if "service" in given:
            raise BadAddress("A service is known only where its file is.", fix="Give the address itself here.")
        if "host" not in given and "hostaddr" not in given:
            raise BadAddress("That address names no host.", fix="Write it as postgres://user@host:5432/name.")
        if "," in given.get("host", "") + given.get("hostaddr", ""):
            raise BadAddress("That address names several hosts.", why="Work must stay with one.", fix="Name one.")
        user = given.get("user") or "postgres"
        return cls({"port": "5432", "user": user, "dbname": user} | given)

    @property
    def host(self) -> str:
        """A name, an address, or the folder of a unix socket."""
        return self.parameters.get("host") or self.parameters["hostaddr"]

    @property
    def port(self) -> int:
        return int(self.parameters["port"])

    @property
    def database(self) -> str:
        return self.parameters["dbname"]

    @property
    def user(self) -> str:
        return self.parameters["user"]

    @property
    def password(self) -> str | None:
        return self.parameters.get("password")

    @property
    def is_socket(self) -> bool:
        return self.host.startswith("/")

    def __str__(self) -> str:
        """For people: `shop on db.example.com:5432 as shop`, without any secret."""
        return f"{self.database} on {self.host}:{self.port} as {self.user}"

    def with_(self, **changed: str | None) -> Location:
        """The same with some of libpq's parameters changed; None takes one away."""
        merged: dict[str, str | None] = {**self.parameters, **changed}
        return Location({name: value for name, value in merged.items() if value is not None})

    @property
    def conninfo(self) -> str:
        """With the password: for a driver in this process and nobody else."""
        return make_conninfo("", **self.parameters)

    @property
    def url(self) -> str:
        """With the password: what is encrypted and kept, or handed to a hook through its environment."""
        rest = {k: v for k, v in self.parameters.items() if k not in ("host", "port", "dbname", "user", "password")}
        secret = f":{quote(self.password, safe='')}" if self.password is not None else ""
        query = urlencode(({"host": self.host} if self.is_socket else {}) | rest, quote_via=quote)
        host = "" if self.is_socket else (f"[{self.host}]" if ":" in self.host else quote(self.host, safe=""))
        address = f"{quote(self.user, safe='')}{secret}@{host}:{self.port}/{quote(self.database, safe='')}"
        return f"postgres://{address}" + (f"?{query}" if query else "")

    def environment(self) -> dict[str, str]:
        """For a child that is one of libpq's programs; a password file or service of this user's is never read."""
        named = {PROGRAM_VARIABLES[k]: v for k, v in self.parameters.items() if k in PROGRAM_VARIABLES}
        return {"PGPASSFILE": os.devnull, "PGSERVICEFILE": os.devnull, "PGSYSCONFDIR": os.devnull, **named}
