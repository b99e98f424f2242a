"""What tests of pooling need besides a control plane: whether there is a PgBouncer, and who runs as one."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.hosts.processes import everything_running

needs_pgbouncer = pytest.mark.skipif(
    not any(Path(folder, "pgbouncer").exists() for folder in ("/usr/sbin", "/usr/bin")),
    reason="there is no PgBouncer: apt-get install pgbouncer",
)


def poolers_below(folder: Path) -> list[int]:
    """The pids of all poolers whose settings are somewhere below it."""
    settings = [(one.pid, Path(one.arguments[-1])) for one in everything_running()]
    return [pid for pid, path in settings if path.name == "pgbouncer.ini" and path.is_relative_to(folder)]
