"""The server that reads definitions again: it runs nothing of theirs as superuser, and never outlives its comparison for long."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.corpus.servers import installation

from changeover.hosts.processes import everything_running
from changeover.postgres.comparing.scratch_server import (
    ExtensionPlace,
    Prerequisites,
    remove_abandoned,
    scratch_server,
)

NEVER_ENDS = """
import asyncio, sys, tempfile
from pathlib import Path
from changeover.postgres.comparing.scratch_server import scratch_server
from changeover.postgres.installations import probe
async def main():
    async with scratch_server(probe(Path(sys.argv[1]), "system")):
        print("runs", flush=True)
        await asyncio.Event().wait()
tempfile.tempdir = sys.argv[2]
asyncio.run(main())
"""


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """For temporary files of this test alone."""
    made = Path(tempfile.mkdtemp(prefix="co-"))
    made.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    yield made
    shutil.rmtree(made)


async def test_what_a_killed_process_left_is_removed_by_the_next(folder: Path) -> None:
    of_15 = installation(15)
    assert of_15 is not None
    words = [sys.executable, "-P", "-c", NEVER_ENDS, str(of_15.bin_directory), str(folder)]
    child = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    assert await child.stdout.readline() == b"runs\n"
    await remove_abandoned()
    assert servers_in(folder)  # its owner lives
    child.kill()
    await child.wait()

    await remove_abandoned()

    assert list(folder.iterdir()) == []
    assert not servers_in(folder)


async def test_statements_of_a_schema_run_as_an_ordinary_role(folder: Path) -> None:
    of_15 = installation(15)
    assert of_15 is not None
    async with scratch_server(of_15) as server:
        hstore = ExtensionPlace("hstore", "1.0", "there")
        location = await server.database("d", Prerequisites("UTF8", (hstore,), ("me", "pg_odd"), ("wraps",)))
        async with await psycopg.AsyncConnection.connect(location.url, autocommit=True) as session:
            assert await (await session.execute("SELECT 'a=>1'::there.hstore::text")).fetchone() == ('"a"=>"1"',)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await session.execute("COPY (SELECT 1) TO PROGRAM 'true'")

    assert list(folder.iterdir()) == []


def servers_in(folder: Path) -> list[int]:
    homes = [one for one in everything_running() if one.working_directory]
    return [one.pid for one in homes if one.working_directory and one.working_directory.is_relative_to(folder)]
