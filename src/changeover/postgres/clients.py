"""Chooses pg_dump, pg_restore or psql for a server from the installations on this host. Pure.

pg_dump refuses a server newer than itself, so it must have the source's major version or a newer one. pg_restore reads
every archive of its own or an older major version. So both come from one installation, the one closest to the target's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from changeover.errors import NoInstallation
from changeover.postgres.installations import Installation
from changeover.postgres.location import Location, SocketLocation


@dataclass(frozen=True)
class Clients:
    """pg_dump and pg_restore from one installation, and its major version."""

    dump: Path
    restore: Path
    major: int


def client_for(
    server_version_num: int, program: str, installations: Iterable[Installation], *, needs_tls: bool = False
) -> Path:
    """`program` of the server's own major version, or of the next newer one. Raises NoInstallation."""
    major = server_version_num // 10000
    return _nearest(major, major, {program}, installations, needs_tls=needs_tls).bin_directory / program


def clients_for(
    source_version_num: int, target_version_num: int, installations: Iterable[Installation], *, needs_tls: bool = False
) -> Clients:
    """The pair that copies a schema from one server to the other. Raises NoInstallation."""
    oldest, wanted = source_version_num // 10000, target_version_num // 10000
    found = _nearest(oldest, wanted, {"pg_dump", "pg_restore"}, installations, needs_tls=needs_tls)
    return Clients(found.bin_directory / "pg_dump", found.bin_directory / "pg_restore", found.version[0])


def needs_tls(location: Location) -> bool:
    """Whether a client program needs TLS to connect there."""
    return not isinstance(location, SocketLocation) and location.parameters.get("sslmode") != "disable"


def _nearest(
    oldest: int, wanted: int, programs: set[str], installations: Iterable[Installation], *, needs_tls: bool
) -> Installation:
    wanted = max(oldest, wanted)
    able = [
        one
        for one in installations
        if one.tools >= programs and one.version[0] >= oldest and (one.has_tls or not needs_tls)
    ]
    if not able:
        raise _missing(oldest, programs, needs_tls=needs_tls)
    between = [one for one in able if one.version[0] <= wanted]
    if between:
        return max(between, key=lambda one: one.version)
    return min(able, key=lambda one: (one.version[0], -one.version[1]))


def _missing(oldest: int, programs: set[str], *, needs_tls: bool) -> NoInstallation:
    names = " and ".join(sorted(programs))
    return NoInstallation(
        f"No {names} for PostgreSQL {oldest} was found.",
        why=f"Version {oldest} or newer is needed{', with TLS' if needs_tls else ''}."
        " Searched the system's packages, configured folders and wheels.",
        fix=f"Install it (`apt-get install postgresql-{oldest}`), or set CHANGEOVER_POSTGRES to its folder.",
    )
