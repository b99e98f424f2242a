"""What libpq and its programs are told for one connection: checked addresses, certificates, nothing from the surroundings.

libpq fills in what it isn't told: from PG… variables, a service file, ~/.pgpass and ~/.postgresql of the user that we run
as. So it is told everything that has such a source.
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
"""A path that is empty would mean the default."""
FILES = ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl")
NEVER = {"gssencmode": "disable", "require_auth": "none,password,md5,scram-sha-256"}
"""No Kerberos ticket and no OAuth token of ours goes to a foreign server."""
VARIABLES = {
    one.keyword.decode(): one.envvar.decode() for one in Conninfo.get_defaults() if one.envvar is not None
} | {"sslnegotiation": "PGSSLNEGOTIATION", "require_auth": "PGREQUIREAUTH"}  # fmt: skip
COMPILED = {
    one.keyword.decode(): (one.compiled or b"").decode()
    for one in Conninfo.get_defaults()
    if one.envvar is not None and one.keyword not in (b"service", b"servicefile")
}
UNSET = ("connect_timeout", "client_encoding", "sslcertmode", "min_protocol_version", "max_protocol_version")
"""libpq takes nothing for a wrong value of these, and none of them opens a file or leads elsewhere."""
NEUTRAL = {name: value for name, value in COMPILED.items() if value or name not in UNSET}
PROGRAM_OPTIONS = "-c standard_conforming_strings=on -c statement_timeout=0"
"""pg_dump takes the database's own value of the first, and doubles each backslash where that is off. It lifts the limit itself,
but only after its first statements. All else it sets itself."""
KNOWN = {one.keyword.decode() for one in Conninfo.get_defaults()}


@dataclass(frozen=True)
class Told:
    """`parameters` hold the password; a program must inherit `files`, which are its certificates."""

    parameters: dict[str, str]
    files: tuple[int, ...]

    def environment(self) -> dict[str, str]:
        """For one of libpq's programs, which starts with no other PG… variable: a password never is an argument."""
        named = {VARIABLES[name]: value for name, value in self.parameters.items() if name in VARIABLES and value}
        return {"PGSERVICEFILE": NOWHERE, "PGSYSCONFDIR": NOWHERE, **named, "PGOPTIONS": PROGRAM_OPTIONS}

    @property
    def for_psycopg(self) -> dict[str, str]:
        return {name: value for name, value in (NEUTRAL | self.parameters).items() if name in KNOWN}


async def addresses_of(location: Location) -> list[str]:
    """What it leads to now, each allowed; empty for a socket. Raises AddressNotAllowed; OSError for an unknown name."""
    return [] if isinstance(location, SocketLocation) else await resolved(location.parameters["host"], location.reach)


def addresses_of_blocking(location: Location) -> list[str]:
    return [] if isinstance(location, SocketLocation) else resolve(location.parameters["host"], location.reach)


@contextmanager
def told(location: Location, addresses: Sequence[str], *, user: str | None = None) -> Iterator[Told]:
    """While a connection is made. `user` is the system user of the program that makes it; None: ours.

    Certificates are files in memory, which nobody else can open and which are gone with us.
    """
    made = {name: value for name, value in location.parameters.items() if name not in CERTIFICATES}
    made |= dict.fromkeys(FILES, NOWHERE) | NEVER
    if addresses:  # `host` still is what a certificate must name
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
