"""What tests of pooling need besides a control plane: whether there is a PgBouncer, and who runs as one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from changeover.engines.local.pgbouncer.program import facts_of, find_pgbouncer
from changeover.engines.pooler import PoolerFacts
from changeover.errors import ToolMissing
from changeover.hosts.processes import everything_running

CHOSEN = Path(os.environ["CHANGEOVER_PGBOUNCER"]) if os.environ.get("CHANGEOVER_PGBOUNCER") else None
"""A PgBouncer that the tests are to use instead of the system's."""


def pgbouncer_facts() -> PoolerFacts:
    """Of the one that the tests use. Raises ToolMissing."""
    return facts_of(find_pgbouncer(CHOSEN))


def _is_here() -> bool:
    try:
        pgbouncer_facts()
    except ToolMissing:
        return False
    return True


needs_pgbouncer = pytest.mark.skipif(not _is_here(), reason="there is no PgBouncer: apt-get install pgbouncer")


def poolers_below(folder: Path) -> list[int]:
    """The pids of all poolers whose settings are somewhere below it."""
    settings = [(one.pid, Path(one.arguments[-1])) for one in everything_running()]
    return [pid for pid, path in settings if path.name == "pgbouncer.ini" and path.is_relative_to(folder)]
