"""Where a database is, as a client reaches it over the network. Never shown with its password.

`Location` is the only type that a user's text becomes, and it is built from an allow list of parameters. Its host is a DNS
name or an IP address; its certificates are text. `SocketLocation` is for servers of our own: no text from a user makes one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urlencode

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from changeover.errors.elsewhere import BadAddress
from changeover.hosts.network import Reach, checked_host, checked_port
from changeover.postgres.address_errors import not_allowed, unreadable
from changeover.postgres.certificates import CERTIFICATES, SYSTEM, checked_certificate, is_text, read_certificate

KEEPALIVES = {"keepalives": "1", "keepalives_idle": "10", "keepalives_interval": "10", "keepalives_count": "6"}
"""Notices within 70 seconds that the other side is gone; what pgcopydb and Azure's service use."""
CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "channel_binding": ("disable", "prefer", "require"),
}
ALLOWED = (
    "host", "port", "dbname", "user", "password", *CHOICES, "connect_timeout", "application_name", *CERTIFICATES,
)  # fmt: skip
"""Everything that an address may say. Whatever else libpq knows, now or later, is refused."""
MARK = "fallback_application_name"
"""In a kept URL, says where the address may lead, because the caller isn't known any more. Users can't give it.

libpq takes this one and does nothing with it, since we always name ourselves: a former version can read what we kept.
"""
MARKS = {reach: f"changeover-{reach.value}" for reach in Reach}
LONGEST_TEXT, LONGEST_VALUE = 4_000_000, 4_000


@dataclass(frozen=True)
class Location:
    """One database. `parameters` are libpq's; host, port, dbname and user are always there, certificates as text.

    Raises BadAddress for a parameter that isn't allowed, or a value that can't be one.
    """

    parameters: Mapping[str, str] = field(repr=False)
    reach: Reach = Reach.PRIVATE
    """Where it may lead: checked for every connection, because a name can lead elsewhere the next time."""
    files: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Paths that the operator gave, by parameter. Their content is in `parameters`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", checked_parameters(self.parameters))

    @classmethod
    def parse(cls, text: str, *, reach: Reach = Reach.PRIVATE) -> Location:
        """From `postgres://…` or `host=… dbname=…`, as a user writes it. Raises BadAddress, which never repeats the text.

        Certificates are PEM text, or paths for the operator, who may reach ANYWHERE: the files are read here.
        """
        given = read_address(text)
        files = {}
        for name in CERTIFICATES:
            if name in given and not is_text(given[name]):
                path = given[name]
                given[name] = read_certificate(name, path, is_operator=reach is Reach.ANYWHERE)
                files[name] = path
        return Location(given, reach, files)

    @classmethod
    def kept(cls, text: str, *, reach: Reach, authority: Path | None = None) -> Location:
        """From `url`, as our state kept it. It is checked again: an older version kept what this one refuses.

        `authority` is our own certificate: an older version kept its path.
        """
        given = read_address(text)
        if given.pop(MARK, None) == MARKS[Reach.ANYWHERE]:
            reach = Reach.ANYWHERE
        if authority is not None and given.get("sslrootcert") == str(authority):
            given["sslrootcert"] = authority.read_text()
            reach = Reach.ANYWHERE
        return Location(given, reach)

    @staticmethod
    def place(text: str) -> tuple[str, int, str]:
        """Host, port and database that an address names; nothing else in it is looked at. Raises BadAddress."""
        given = read_address(text)
        place = checked_parameters({name: value for name, value in given.items() if name in ALLOWED[:4]})
        return place["host"], int(place["port"]), place["dbname"]

    @property
    def host(self) -> str:
        """A DNS name or an IP address."""
        return self.parameters["host"]

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
    def certificates(self) -> dict[str, str]:
        """Text by parameter."""
        return {name: self.parameters[name] for name in CERTIFICATES if name in self.parameters}

    def __str__(self) -> str:
        """For people: `shop on db.example.com:5432 as shop`, without any secret."""
        return f"{self.database} on {self.host}:{self.port} as {self.user}"

    def with_(self, **changed: str | None) -> Location:
        """The same with some parameters changed; None takes one away."""
        merged: dict[str, str | None] = {**self.parameters, **changed}
        return replace(self, parameters={name: value for name, value in merged.items() if value is not None})

    @property
    def url(self) -> str:
        """With the password and the certificates: what is encrypted and kept, or handed to a program of ours."""
        mark = {} if self.reach is Reach.PRIVATE else {MARK: MARKS[self.reach]}
        return written({**self.parameters, **mark})


@dataclass(frozen=True)
class SocketLocation(Location):
    """A database of a server of our own, by its unix socket: `host` is the folder."""

    def __post_init__(self) -> None:
        if not self.parameters["host"].startswith("/"):
            raise ValueError("A socket's host is its folder.")

    def with_(self, **changed: str | None) -> Location:
        """With another `host`, the same server over the network."""
        if "host" not in changed:
            return super().with_(**changed)
        return Location({name: value for name, value in {**self.parameters, **changed}.items() if value is not None})

    @property
    def url(self) -> str:
        return written(self.parameters)


def handed_over(text: str) -> Location:
    """From `url`, by a pipe between two processes of ours. No user's text comes here."""
    given = read_address(text)
    if given["host"].startswith("/"):
        return SocketLocation(given)
    mark = given.pop(MARK, MARKS[Reach.PRIVATE])
    return Location(given, next(reach for reach, value in MARKS.items() if value == mark))


def written(parameters: Mapping[str, str]) -> str:
    """As a URL, with all that is secret in it."""
    host, rest = parameters["host"], {k: v for k, v in parameters.items() if k not in ALLOWED[:5]}
    secret = f":{quote(parameters['password'], safe='')}" if "password" in parameters else ""
    query = urlencode(({"host": host} if host.startswith("/") else {}) | rest, quote_via=quote)
    shown = "" if host.startswith("/") else (f"[{host}]" if ":" in host else quote(host, safe=""))
    user, database = (quote(parameters[name], safe="") for name in ("user", "dbname"))
    return f"postgres://{user}{secret}@{shown}:{parameters['port']}/{database}" + (f"?{query}" if query else "")


def read_address(text: str) -> dict[str, str]:
    """What libpq reads in it, unchecked, with the defaults for port, user and database. Raises BadAddress."""
    if "://" in text and not text.startswith(("postgres://", "postgresql://")) and not re.match(r"\s*\w+\s*=", text):
        raise BadAddress("That is not a PostgreSQL address.", fix="Write it as postgres://user@host:5432/name.")
    if len(text) > LONGEST_TEXT or "\0" in text:
        raise unreadable(text)
    try:
        text.encode()
        given = {name: str(value) for name, value in conninfo_to_dict(text).items() if value is not None}
    except (ProgrammingError, UnicodeError):
        raise unreadable(text) from None
    if not given.get("host"):
        given["host"] = ""
    user = given.get("user") or "postgres"
    return given | {"port": given.get("port") or "5432", "user": user, "dbname": given.get("dbname") or user}


def checked_parameters(given: Mapping[str, str]) -> dict[str, str]:
    """The same, in canonical form. Raises BadAddress."""
    for name, value in given.items():
        if name not in ALLOWED:
            raise not_allowed(name)
        if "\0" in value or (name not in CERTIFICATES and len(value) > LONGEST_VALUE):
            raise BadAddress(f"{name} can't be used.", why="It is too long, or has a character that no name has.")
        if name not in (*CERTIFICATES, "password") and not value.isprintable():
            raise BadAddress(f"{name} can't be used.", why="It has a character that can't be printed.")
    made = dict(given) | {"host": checked_host(given.get("host", "")), "port": str(checked_port(given["port"]))}
    for name, choices in CHOICES.items():
        if name in made and made[name] not in choices:
            raise BadAddress(f"Invalid {name}.", fix=f"Use one of {', '.join(choices)}.")
    if not re.fullmatch(r"[0-9]{1,4}", made.get("connect_timeout", "0")):
        raise BadAddress("Invalid connect_timeout: it must be a number of seconds.", fix="Give 9999 at most.")
    for name in CERTIFICATES:
        if name in made:
            made[name] = checked_certificate(name, made[name])
    _require_authority(made)
    return made


def _require_authority(made: dict[str, str]) -> None:
    """libpq would look for a missing authority in the home of the user that we run as."""
    if made.get("sslrootcert") == SYSTEM:
        if made.setdefault("sslmode", "verify-full") != "verify-full":
            raise BadAddress("sslrootcert=system works with sslmode=verify-full only.", fix="Write both.")
    elif made.get("sslmode", "").startswith("verify") and "sslrootcert" not in made:
        raise BadAddress(
            f"sslmode={made['sslmode']} needs sslrootcert.",
            why="Without it, nothing says which authority to trust.",
            fix="Add sslrootcert=FILE (changeover sends the file), or sslrootcert=system for the authorities that the "
            "control plane's system trusts.",
        )
    if ("sslcert" in made) != ("sslkey" in made):
        raise BadAddress("sslcert and sslkey go together.", fix="Give both, or neither.")
