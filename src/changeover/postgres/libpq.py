"""Complete connection parameters for libpq and its programs: checked addresses and certificates, nothing from the environment.

libpq takes defaults from PG… variables, a service file, ~/.pgpass and ~/.postgresql of the user that we run as. So every
parameter that has such a default is set explicitly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg.pq import Conninfo

from changeover.hosts.programs import owner_ids
from changeover.hosts.resolving import resolve, resolved
from changeover.postgres.certificates import CERTIFICATES, SYSTEM, system_bundle
from changeover.postgres.location import Location, SocketLocation

NOWHERE = "/nonexistent"
"""An empty path would mean the default."""
FILES = ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl")
NEVER = {"gssencmode": "disable", "require_auth": "none,password,md5,scram-sha-256"}
"""Never send a Kerberos ticket or OAuth token of ours to a foreign server."""
VARIABLES = {
    one.keyword.decode(): one.envvar.decode() for one in Conninfo.get_defaults() if one.envvar is not None
} | {"sslnegotiation": "PGSSLNEGOTIATION", "require_auth": "PGREQUIREAUTH"}  # fmt: skip
COMPILED = {
    one.keyword.decode(): (one.compiled or b"").decode()
    for one in Conninfo.get_defaults()
    if one.envvar is not None and one.keyword not in (b"service", b"servicefile")
}
UNSET = ("connect_timeout", "client_encoding", "sslcertmode", "min_protocol_version", "max_protocol_version")
"""libpq rejects empty values for these. None of them opens a file or changes the destination."""
NEUTRAL = {name: value for name, value in COMPILED.items() if value or name not in UNSET}
PROGRAM_OPTIONS = "-c standard_conforming_strings=on -c statement_timeout=0"
"""pg_dump uses the database's own value of the first, and doubles every backslash if it is off. It resets the second itself,
but only after its first statements. It sets all other settings itself."""
KNOWN = {one.keyword.decode() for one in Conninfo.get_defaults()}


@dataclass(frozen=True)
class Told:
    """`parameters` include the password. A program must inherit `files`, the descriptors of its certificates."""

    parameters: dict[str, str]
    files: tuple[int, ...]

    def environment(self) -> dict[str, str]:
        """For a libpq program, which gets no other PG… variable. Passwords are never arguments."""
        named = {VARIABLES[name]: value for name, value in self.parameters.items() if name in VARIABLES and value}
        return {"PGSERVICEFILE": NOWHERE, "PGSYSCONFDIR": NOWHERE, **named, "PGOPTIONS": PROGRAM_OPTIONS}

    @property
    def for_psycopg(self) -> dict[str, str]:
        return {name: value for name, value in (NEUTRAL | self.parameters).items() if name in KNOWN}


async def addresses_of(location: Location) -> list[str]:
    """The IP addresses it resolves to, each checked; empty for a socket. Raises AddressNotAllowed, and OSError if unknown."""
    return [] if isinstance(location, SocketLocation) else await resolved(location.parameters["host"], location.reach)


def addresses_of_blocking(location: Location) -> list[str]:
    return [] if isinstance(location, SocketLocation) else resolve(location.parameters["host"], location.reach)


@contextmanager
def told(location: Location, addresses: Sequence[str], *, user: str | None = None) -> Iterator[Told]:
    """Parameters for making one connection. `user` is the system user of the program that connects; None: our own.

    Certificates are in-memory files. No other user can open them, and they disappear with this process.
    """
    made = {name: value for name, value in location.parameters.items() if name not in CERTIFICATES}
    made |= dict.fromkeys(FILES, NOWHERE) | NEVER
    if addresses:  # certificates are still verified against `host`
        made |= {"host": ",".join([location.host] * len(addresses)), "hostaddr": ",".join(addresses)}
    opened: dict[str, int] = {}
    try:
        for name, text in location.certificates.items():
            if text == SYSTEM:
                made[name] = system_bundle() or SYSTEM
            else:
                opened[name] = _in_memory(text, user)
                made[name] = f"/proc/self/fd/{opened[name]}"
        yield Told(made, tuple(opened.values()))
    finally:
        for number in opened.values():
            os.close(number)


def _in_memory(text: str, user: str | None) -> int:
    number = os.memfd_create("certificate", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(number), "w") as file:
        file.write(text)
    os.fchmod(number, 0o400)
    if user is not None:
        os.fchown(number, *owner_ids(user))
    return number
