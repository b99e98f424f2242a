"""Ways to move a database that the corpus is tried with, and a look at both sides that shares no code with ours."""

from __future__ import annotations

import asyncio
import re
import secrets
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.corpus.servers import Server, program
from tests.fix_control_plane import wait_until

from changeover.postgres.location import Location
from changeover.postgres.snapshot import starting
from changeover.postgres.snapshot.job import Job

DONE_S = 100


async def by_snapshot(source: Location, target: Location, **options: Any) -> dict[str, Any]:
    """As `migrate --method snapshot` does it; the report. Fails the test with what the program said."""
    mark = secrets.token_hex(4)
    job = Job(source.url, target.url, run=f"{mark}:1", mark=mark, patience_s=15, **options)
    with tempfile.TemporaryDirectory(prefix="co-") as folder:
        work = Path(folder) / "work"
        await starting.start(job, work)
        try:
            ended = partial(wait_until, lambda: not starting.processes(work), timeout_s=DONE_S, what="the copy to end")
            await asyncio.to_thread(ended)
        finally:
            await starting.stop(work)
        found, said = starting.look(work), starting.last_said(work)
    if not isinstance(found, starting.Outcome) or found.report is None:
        error = found.error.message if isinstance(found, starting.Outcome) and found.error else "no outcome"
        pytest.fail(f"the copy failed: {error}\n{said}")
    return found.report


def by_dump(source: Location, target: Location, *, major: int) -> None:
    """As everybody does it."""
    roles = program("pg_dumpall", "--roles-only", location=source, major=major)
    program("psql", "-qX", "-o", "/dev/null", location=target, major=major, stdin=roles)  # those that exist stay
    script = program("pg_dump", location=source, major=major)
    program("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", location=target, major=major, stdin=script)


LEFT_OUT = re.compile(r"^(?:--.*|SET .*|\\(?:un)?restrict .*|SELECT pg_catalog\.set_config\(.*|)$")


def sorted_dumps(servers: tuple[Server, Server], databases: tuple[Location, Location]) -> tuple[list[str], list[str]]:
    """Every line of both dumps, by the same pg_dump, that the other doesn't have; for people two empty lists are best."""
    major = max(server.major for server in servers)
    here, there = (Counter(lines_of(program("pg_dump", location=one, major=major))) for one in databases)
    return sorted((here - there).elements()), sorted((there - here).elements())


def lines_of(dump: bytes) -> list[str]:
    """Without comments, settings and blank lines; the comma after a column is no part of it."""
    text = dump.decode("utf-8", "surrogateescape")
    return [line.rstrip().rstrip(",") for line in text.splitlines() if not LEFT_OUT.match(line)]
