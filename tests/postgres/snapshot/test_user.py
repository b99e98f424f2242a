"""As root the copying program becomes another user before it reads its job: control sockets are closed to it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fix_control_plane import wait_until
from tests.postgres.snapshot.conftest import Copy

from changeover.hosts.users import ensure_system_users, run_as_for_clients
from changeover.postgres.snapshot import starting
from changeover.postgres.snapshot.starting import Outcome


@pytest.fixture
def folder() -> Iterator[Path]:
    """Like the home: others may pass through it."""
    with tempfile.TemporaryDirectory(prefix="co-") as found:
        Path(found).chmod(0o711)
        yield Path(found)


def test_the_program_works_as_the_user_of_clients_and_reaches_no_control_socket(copy: Copy, folder: Path) -> None:
    asyncio.run(ensure_system_users())
    user = run_as_for_clients()
    job = replace(copy.job, patience_s=0)
    asyncio.run(starting.start(job, folder / "work", run_as=user))

    def ended() -> Outcome | None:
        found = starting.look(folder / "work")
        return found if isinstance(found, Outcome) else None

    outcome = wait_until(ended, what="the end of the copy")
    if user is None:
        assert outcome.report is not None
        return
    assert {path.owner() for path in (folder / "work").rglob("*") if path.name != "log"} == {user}
    assert outcome.error is not None
    assert "Permission denied" in outcome.error.why


NO_FILE_IS_READ = """
import codecs, sys
from psycopg._encodings import py_codecs
from changeover.postgres.snapshot.__main__ import import_encodings
import_encodings()
sys.path.clear(), sys.path_importer_cache.clear(), sys.meta_path.clear()
for name in {"idna", *py_codecs.values()}:
    codecs.lookup(name)
print("all are there")
"""


def test_the_encodings_of_all_databases_are_read_before_the_program_becomes_a_user_who_may_not_read_them() -> None:
    done = subprocess.run([sys.executable, "-P", "-c", NO_FILE_IS_READ], capture_output=True, text=True, check=False)
    assert done.stdout == "all are there\n", done.stderr
