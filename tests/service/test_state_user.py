"""Our state's server has a system user of its own, also in homes that the version before made."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from changeover.hosts.programs import owner_ids, run_program
from changeover.hosts.users import run_as_for_servers, run_as_for_state
from changeover.postgres import access
from changeover.postgres.cluster import write_file
from changeover.postgres.configuration import FORMERLY, OURS
from changeover.service.places import Places
from changeover.service.state import SMALL, State
from changeover.settings import Settings

as_root = run_as_for_state() is not None


@pytest.fixture
async def state() -> AsyncIterator[State]:
    with tempfile.TemporaryDirectory(prefix="co-") as folder:
        Path(folder).chmod(0o711)
        places = Places(Path(folder))
        places.make()
        found = State(places, Settings.read())
        yield found
        await found.stop()
        if places.sockets.exists():
            await run_program(["/bin/rm", "-r", places.sockets])


def owners(state: State) -> set[int]:
    data = state.cluster().data_directory
    return {path.lstat().st_uid for path in (data, *data.rglob("*"))}


def uid(user: str | None) -> int:
    return owner_ids(user)[0]


def note(state: State, text: str) -> None:
    with psycopg.connect(**state.conninfo, autocommit=True) as session:  # type: ignore[arg-type]
        session.execute("CREATE TABLE IF NOT EXISTS notes (text text)")
        session.execute("INSERT INTO notes VALUES (%s)", [text])


def notes(state: State) -> list[str]:
    with psycopg.connect(**state.conninfo) as session:  # type: ignore[arg-type]
        return [text for (text,) in session.execute("SELECT text FROM notes ORDER BY 1")]


async def run_as_the_version_before_did(state: State) -> None:
    cluster = replace(state.cluster(), run_as=run_as_for_servers())
    if cluster.is_initialised:
        write_file(cluster.data_directory / "pg_hba.conf", f"{OURS}\n{FORMERLY}\n".encode(), run_as=cluster.run_as)
        names = {cluster.run_as or "root", "root", Path("/proc/self").owner()}
        identity = "".join(f'changeover "{name}" changeover\n' for name in names)
        write_file(cluster.data_directory / "pg_ident.conf", identity.encode(), run_as=cluster.run_as)
    await cluster.initialise(SMALL, listens=False)
    await cluster.start()


async def test_its_files_and_its_socket_are_closed_to_the_servers_user(state: State) -> None:
    await state.start()
    assert owners(state) == {uid(run_as_for_state())}
    cluster = state.cluster()
    for folder in (cluster.data_directory, cluster.socket_directory, cluster.log_directory):
        assert folder.stat().st_mode & 0o077 == 0
        assert folder.stat().st_uid == uid(run_as_for_state())
    asked: list[str | Path] = [
        cluster.bin_directory / "psql",
        f"--host={cluster.socket_directory}",
        "--username=changeover",
        "--list",
    ]
    said = await run_program(asked, run_as=run_as_for_servers())
    assert (said.code != 0) is as_root


@pytest.mark.parametrize("runs", [True, False])
async def test_a_home_of_the_version_before_is_taken_over(state: State, runs: bool) -> None:
    await state.start()
    note(state, "before")
    await state.stop()
    state.leave_for_former_version()
    assert owners(state) == {uid(run_as_for_servers())}
    await run_as_the_version_before_did(state)
    note(state, "by the version before")
    if not runs:
        await replace(state.cluster(), run_as=run_as_for_servers()).stop()

    await state.start()

    assert notes(state) == ["before", "by the version before"]
    assert owners(state) == {uid(run_as_for_state())}
    lines = (state.cluster().data_directory / "pg_hba.conf").read_text().splitlines()
    assert lines == [OURS]
    if as_root:
        assert "changeover-pg" not in (state.cluster().data_directory / "pg_ident.conf").read_text()


async def test_a_change_of_owner_that_was_interrupted_is_finished(state: State) -> None:
    await state.start()
    await state.stop()
    cluster = state.cluster()
    if as_root:
        for path in (cluster.data_directory, cluster.data_directory / "base", cluster.data_directory / "PG_VERSION"):
            os.chown(path, *owner_ids("changeover-pg"))
    await state.start()
    assert owners(state) == {uid(run_as_for_state())}


async def test_renewing_twice_changes_nothing(state: State) -> None:
    await state.start()
    file = state.cluster().data_directory / "pg_hba.conf"
    before = file.stat().st_ino
    await access.renew(state.cluster())
    assert file.stat().st_ino == before
