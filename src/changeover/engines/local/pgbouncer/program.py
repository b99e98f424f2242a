"""Which PgBouncer this host has, and what it can do. A build of one's own goes before the system's."""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from pathlib import Path

from changeover.engines.pooler import PoolerFacts
from changeover.errors import ToolMissing

SYSTEM_PLACES = (Path("/usr/sbin/pgbouncer"), Path("/usr/bin/pgbouncer"), Path("/usr/local/bin/pgbouncer"))
PREPARES_SINCE = (1, 21)
GET_IT = "Install it (Debian: `apt-get install pgbouncer`), or name a build of your own in CHANGEOVER_PGBOUNCER."


def find_pgbouncer(configured: Path | None) -> Path:
    """Raises ToolMissing."""
    places = (configured,) if configured else SYSTEM_PLACES
    for place in places:
        if place.is_file() and os.access(place, os.X_OK):
            return place
    raise ToolMissing(
        "Connections can't be pooled on this host: it has no PgBouncer.",
        why=f"There is no program {' or '.join(map(str, places))}.",
        fix=GET_IT,
    )


def facts_of(program: Path) -> PoolerFacts:
    """Asks the program. Raises ToolMissing when it does not run."""
    return _facts(_version(program, program.stat().st_mtime_ns))


def facts_said(said: str) -> PoolerFacts | None:
    """From what a PgBouncer says of itself; None for something else."""
    found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    return _facts((int(found[1]), int(found[2]))) if found else None


def _facts(version: tuple[int, int]) -> PoolerFacts:
    return PoolerFacts(version=version, has_prepared_statements=version >= PREPARES_SINCE)


@cache
def _version(program: Path, _changed: int) -> tuple[int, int]:
    try:
        said = subprocess.run(
            [str(program), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise _not_usable(program, str(failed)) from failed
    facts = facts_said(said.stdout)
    if facts is None:
        raise _not_usable(program, " ".join((said.stdout + said.stderr).split())[:200] or "It said nothing.")
    return facts.version


def _not_usable(program: Path, why: str) -> ToolMissing:
    return ToolMissing(f"{program} is no PgBouncer that runs here.", why=why, fix=GET_IT)
