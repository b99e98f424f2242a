"""The address of a database, as a client reaches it over the network. Its password is never shown.

`Location` is the only type that a user's text becomes. It is built from an allow list of parameters; its host is a DNS name
or an IP address, and its certificates are text. `SocketLocation` is for our own servers: no user's text becomes one.
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
"""Detects a lost peer within 70 seconds. pgcopydb and Azure's service use the same values."""
CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "channel_binding": ("disable", "prefer", "require"),
}
ALLOWED = (
    "host", "port", "dbname", "user", "password", *CHOICES, "connect_timeout", "application_name", *CERTIFICATES,
)  # fmt: skip
"""The allowed parameters. Anything else that libpq knows, now or later, is refused."""
MARK = "fallback_application_name"
"""In a stored URL, this records where the address may lead, because the caller is no longer known. Users can't set it.

libpq accepts this parameter and ignores it, since we always set application_name. So an older version can read the URL.
"""
MARKS = {reach: f"changeover-{reach.value}" for reach in Reach}
LONGEST_TEXT, LONGEST_VALUE = 4_000_000, 4_000


@dataclass(frozen=True)
class Location:
    """One database. `parameters` are libpq's. host, port, dbname and user are always set; certificates are text.

    Raises BadAddress for a parameter that isn't allowed or a value that is invalid.
    """

    parameters: Mapping[str, str] = field(repr=False)
    reach: Reach = Reach.PRIVATE
    """Where it may lead. Checked for every connection, because a name may resolve differently the next time."""
    files: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Paths that the operator gave, by parameter. `parameters` has their content."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", checked_parameters(self.parameters))

    @classmethod
    def parse(cls, text: str, *, reach: Reach = Reach.PRIVATE) -> Location:
        """Parse `postgres://…` or `host=… dbname=…` from a user. Raises BadAddress, which never repeats the text.

        Certificates are PEM text or, for the operator (Reach.ANYWHERE), paths. The files are read here.
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
        """Parse a stored `url`. Checked again, because an older version may have stored what this one refuses.

        `authority` is our own certificate: an older version stored its path.
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
        """Host, port and database of an address. Ignores everything else in it. Raises BadAddress."""
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
        """The text of each certificate, by parameter."""
        return {name: self.parameters[name] for name in CERTIFICATES if name in self.parameters}

    def __str__(self) -> str:
        """For display, without secrets: `shop on db.example.com:5432 as shop`."""
        return f"{self.database} on {self.host}:{self.port} as {self.user}"

    def with_(self, **changed: str | None) -> Location:
        """A copy with some parameters changed. None removes one."""
        merged: dict[str, str | None] = {**self.parameters, **changed}
        return replace(self, parameters={name: value for name, value in merged.items() if value is not None})

    @property
    def url(self) -> str:
        """With the password and the certificates, to be encrypted and stored, or passed to a program of ours."""
        mark = {} if self.reach is Reach.PRIVATE else {MARK: MARKS[self.reach]}
        return written({**self.parameters, **mark})


@dataclass(frozen=True)
class SocketLocation(Location):
    """A database on one of our own servers, over its unix socket. `host` is the folder."""

    def __post_init__(self) -> None:
        if not self.parameters["host"].startswith("/"):
            raise ValueError("The host of a SocketLocation must be a folder.")

    def with_(self, **changed: str | None) -> Location:
        """With another `host`, the same server over the network."""
        if "host" not in changed:
            return super().with_(**changed)
        return Location({name: value for name, value in {**self.parameters, **changed}.items() if value is not None})

    @property
    def url(self) -> str:
        return written(self.parameters)


def handed_over(text: str) -> Location:
    """Parse a `url` that another process of ours sent through a pipe. Never called with a user's text."""
    given = read_address(text)
    if given["host"].startswith("/"):
        return SocketLocation(given)
    mark = given.pop(MARK, MARKS[Reach.PRIVATE])
    return Location(given, next(reach for reach, value in MARKS.items() if value == mark))


def written(parameters: Mapping[str, str]) -> str:
    """As a URL, secrets included."""
    host, rest = parameters["host"], {k: v for k, v in parameters.items() if k not in ALLOWED[:5]}
    secret = f":{quote(parameters['password'], safe='')}" if "password" in parameters else ""
    query = urlencode(({"host": host} if host.startswith("/") else {}) | rest, quote_via=quote)
    shown = "" if host.startswith("/") else (f"[{host}]" if ":" in host else quote(host, safe=""))
    user, database = (quote(parameters[name], safe="") for name in ("user", "dbname"))
    return f"postgres://{user}{secret}@{shown}:{parameters['port']}/{database}" + (f"?{query}" if query else "")


def read_address(text: str) -> dict[str, str]:
    """The parameters in it as libpq parses them, unchecked, with defaults for port, user and database. Raises BadAddress."""
    if "://" in text and not text.startswith(("postgres://", "postgresql://")) and not re.match(r"\s*\w+\s*=", text):
        raise BadAddress("Invalid PostgreSQL address.", fix="Write it as postgres://user@host:5432/name.")
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
    """The parameters in canonical form. Raises BadAddress."""
    for name, value in given.items():
        if name not in ALLOWED:
            raise not_allowed(name)
        if "\0" in value or (name not in CERTIFICATES and len(value) > LONGEST_VALUE):
            raise BadAddress(f"{name} can't be used.", why="It is too long or contains an invalid character.")
        if name not in (*CERTIFICATES, "password") and not value.isprintable():
            raise BadAddress(f"{name} can't be used.", why="It contains an unprintable character.")
    made = dict(given) | {"host": checked_host(given.get("host", "")), "port": str(checked_port(given["port"]))}
    for name, choices in CHOICES.items():
        if name in made and made[name] not in choices:
            raise BadAddress(f"Invalid {name}.", fix=f"Use one of {', '.join(choices)}.")
    if not re.fullmatch(r"[0-9]{1,4}", made.get("connect_timeout", "0")):
        raise BadAddress("Invalid connect_timeout: it must be a number of seconds.", fix="The maximum is 9999.")
    for name in CERTIFICATES:
        if name in made:
            made[name] = checked_certificate(name, made[name])
    _require_authority(made)
    return made


def _require_authority(made: dict[str, str]) -> None:
    """Without one, libpq would look for an authority in the home of the user that we run as."""
    if made.get("sslrootcert") == SYSTEM:
        if made.setdefault("sslmode", "verify-full") != "verify-full":
            raise BadAddress("sslrootcert=system works with sslmode=verify-full only.", fix="Set both.")
    elif made.get("sslmode", "").startswith("verify") and "sslrootcert" not in made:
        raise BadAddress(
            f"sslmode={made['sslmode']} needs sslrootcert.",
            why="Without it, it is unknown which authority to trust.",
            fix="Add sslrootcert=FILE (changeover sends the file), or sslrootcert=system for the authorities that the "
            "control plane's operating system trusts.",
        )
    if ("sslcert" in made) != ("sslkey" in made):
        raise BadAddress("sslcert and sslkey must be used together.", fix="Set both or neither.")
