"""Which PgBouncer this host has, and its features. A configured build takes precedence over the system's."""

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
GET_IT = "Install it (Debian: `apt-get install pgbouncer`), or set CHANGEOVER_PGBOUNCER to your own build."


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
    """Runs the program. Raises ToolMissing if that fails."""
    return _facts(_version(program, program.stat().st_mtime_ns))


def facts_said(said: str) -> PoolerFacts | None:
    """From PgBouncer's version output. None for anything else."""
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
        raise _not_usable(program, " ".join((said.stdout + said.stderr).split())[:200] or "It printed nothing.")
    return facts.version


def _not_usable(program: Path, why: str) -> ToolMissing:
    return ToolMissing(f"{program} is not a PgBouncer that runs here.", why=why, fix=GET_IT)
