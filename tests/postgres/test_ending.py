"""Sessions are ended by exact pid, start and database: a name, a role or a pid alone reaches nobody."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from tests.corpus.servers import Server, run_sql, running
from tests.engines.fix_host import until

from changeover.postgres import ending
from changeover.postgres.configuration import SUPERUSER
from changeover.postgres.connect import Connection
from changeover.postgres.installations import newest_with_tls
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach
from changeover.postgres.read_only import end_sessions

NAME = "changeover:7f3e:1 copy"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(newest_with_tls().bin_directory) as found:
        yield found


@dataclass
class Pair:
    """Two databases of one server, both used by one role."""

    here: Location
    there: Location

    def session(self, where: Location, name: str) -> psycopg.Connection[psycopg.rows.TupleRow]:
        return psycopg.connect(where.with_(application_name=name).url, autocommit=True)


@pytest.fixture
def pair(server: Server) -> Iterator[Pair]:
    found = Pair(server.database(), server.database())
    yield found
    server.drop(found.here, found.there)


def lives(session: psycopg.Connection[psycopg.rows.TupleRow]) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


async def end_what_was_left(where: Location) -> int:
    async with reach(where, application_name=NAME) as connection:
        return await ending.end(connection, await ending.left_behind(connection, "changeover:7f3e:", " copy"))


@pytest.mark.parametrize(
    ("where", "name", "is_ended"),
    [
        ("here", NAME, True),
        ("here", "changeover:7f3e:9 copy", True),
        ("there", NAME, False),  # the other side of the same migration, on the same server
        ("here", "changeover:7f3e1:1 copy", False),
        ("here", "changeover:7f3f:1 copy", False),
        ("here", "changeover_7f3e:1 copy", False),
        ("here", "changeover:7f3e:1 copying", False),
        ("here", "changeover", False),
        ("here", "psql", False),
    ],
)
async def test_only_what_this_run_left_in_this_database_is_ended(
    pair: Pair, where: str, name: str, is_ended: bool
) -> None:
    with pair.session(getattr(pair, where), name) as session:
        assert await end_what_was_left(pair.here) == int(is_ended)
        assert lives(session) is not is_ended


async def test_a_session_that_began_later_is_not_a_leftover(pair: Pair) -> None:
    async with reach(pair.here, application_name=NAME) as first:
        with pair.session(pair.here, NAME) as later:
            assert await ending.left_behind(first, "changeover:7f3e:", " copy") == []
            assert lives(later)


@pytest.mark.parametrize(
    "changed", [{"started": "2001-01-01 00:00:00+00"}, {"database": "postgres"}, {"database": None}]
)
async def test_a_pid_that_belongs_to_another_session_by_now_is_left_alone(
    pair: Pair, changed: dict[str, str | None]
) -> None:
    with pair.session(pair.here, "app") as session:
        async with reach(pair.here) as connection:
            (found,) = await ending.own_backends(connection)
            assert await ending.end(connection, [replace(found, **changed)]) == 0  # type: ignore[arg-type]
            assert lives(session)
            assert await ending.end(connection, [found, found]) >= 1
        assert not lives(session)


async def test_sessions_are_found_whatever_form_dates_have(pair: Pair) -> None:
    run_sql(pair.here, f"ALTER DATABASE {pair.here.database} SET datestyle = 'German, DMY'")
    with pair.session(pair.here, NAME) as session:
        assert await end_what_was_left(pair.here) == 1
        assert not lives(session)


async def test_the_sessions_of_another_database_are_never_our_own(pair: Pair) -> None:
    with pair.session(pair.here, "app") as mine, pair.session(pair.there, "app") as other:
        async with reach(pair.here) as connection:
            assert await ending.end(connection, await ending.own_backends(connection)) == 1
        assert (lives(mine), lives(other)) == (False, True)


async def test_a_hold_ends_writers_that_only_call_themselves_ours(pair: Pair) -> None:
    run_sql(pair.here, "DROP ROLE IF EXISTS app", "CREATE ROLE app LOGIN")
    with ExitStack() as kept:
        copy = kept.enter_context(pair.session(pair.here, NAME))
        posing = kept.enter_context(pair.session(pair.here, "changeover-worker"))
        async with reach(pair.here, application_name="changeover hold") as connection:
            found = await end_sessions(connection)
        assert [lives(one) for one in (copy, posing)] == [True, False]
    assert len(found.ended) == 1


async def test_a_hold_waits_until_those_that_it_ends_are_gone(pair: Pair) -> None:
    """One that is told to end may be in the middle of its commit: a copy that begins now would not have it."""
    with pair.session(pair.here, "app") as writer:
        pid = writer.info.backend_pid
        async with reach(pair.here, application_name="changeover hold") as connection:
            os.kill(pid, signal.SIGSTOP)
            try:
                frozen = await end_sessions(connection, within_s=0.2)
            finally:
                os.kill(pid, signal.SIGCONT)
            awake = await end_sessions(connection)
    assert (frozen.ended, [f"(pid {pid})" in who for who in frozen.left]) == ([], [True])
    assert awake.left == []


async def someone_arrives(connection: Connection) -> bool:
    return bool(await ending.arriving(connection))


async def test_a_hold_waits_for_sessions_that_no_list_has_yet(pair: Pair) -> None:
    """A session reads the database's settings before it is listed: here it can't, and nobody knows what it has read."""
    with pair.session(pair.here, NAME) as other, ThreadPoolExecutor(1) as threads:
        async with reach(pair.here, application_name="changeover hold") as connection:
            with other.transaction():
                other.execute("LOCK TABLE pg_db_role_setting")
                entering = threads.submit(pair.session, pair.here, "app")
                await until(lambda: someone_arrives(connection))
                arriving = await ending.arriving(connection)
                held_up = await end_sessions(connection, within_s=0.2)
            let_in = await end_sessions(connection)
        entering.result().close()
    assert held_up.left == [f"a session that is logging in (pid {pid})" for pid in arriving]
    assert let_in.left == []


async def test_a_hold_names_those_of_other_roles_until_they_are_gone(pair: Pair) -> None:
    """The owner of a database, who is no superuser, sees neither when such a session began nor of what kind it is."""
    run_sql(pair.here, "DROP ROLE IF EXISTS keeper", "CREATE ROLE keeper")
    async with reach(pair.here, application_name="changeover hold") as connection:
        await connection.execute("SET SESSION AUTHORIZATION keeper")
        with pair.session(pair.here, "shop") as writer:
            first = await end_sessions(connection, within_s=0.2)
            assert lives(writer)
            pid = writer.info.backend_pid
        with pair.session(pair.here, "shop"):  # it has begun afterwards, and has the database's new settings
            second = await end_sessions(connection, hidden=first.hidden)
    assert (first.left, first.hidden, first.ended) == ([f"shop as {SUPERUSER} (pid {pid})"], [pid], [])
    assert (second.left, second.hidden) == ([], [])


def test_no_other_file_ends_sessions() -> None:
    root = Path(ending.__file__).parents[1]
    elsewhere = {"cli/queries.py", "changeovers/checks/server.py"}  # what a person may type or be told to type
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"pg_terminate_backend\(|pg_cancel_backend\(", path.read_text())
    }
    assert found - elsewhere == {"postgres/ending.py"}
