"""The state tells of its changes, and who waits for one is woken by it."""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from tests.fix_state import StateDatabase

from changeover.store.changes import Changes, notifications
from changeover.store.query import Db

WITHIN_S = 60
END_OF_LISTENERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN changeover_changes'"
STARTED = "UPDATE servers SET is_wanted = true"
TROUBLED = "UPDATE servers SET trouble = 'of a kind'"


@asynccontextmanager
async def hearing(state: StateDatabase, changes: Changes) -> AsyncIterator[tuple[Db, asyncio.Task[None]]]:
    """A second connection, for changing something, once the first one listens."""
    with changes.bell() as heard:
        async with await state.connect() as ear, await state.connect() as db:
            task = asyncio.ensure_future(changes.hear(ear))
            await asyncio.wait_for(heard.wait(), WITHIN_S)
            yield db, task
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_bell_rings_when_its_table_changes(state_database: StateDatabase) -> None:
    changes = Changes()
    async with hearing(state_database, changes) as (db, _):
        with changes.bell("servers", "apps") as bell:
            await db.execute(STARTED)
            await asyncio.wait_for(bell.wait(), WITHIN_S)


async def test_a_bell_is_silent_about_other_tables_and_about_what_keepers_note(state_database: StateDatabase) -> None:
    changes = Changes()
    async with hearing(state_database, changes) as (db, _):
        with changes.bell("poolers", "servers") as bell, changes.bell("apps") as last:
            await db.execute(TROUBLED)
            await db.execute("UPDATE dynos SET port = NULL WHERE false")
            await db.execute("DELETE FROM apps WHERE false")
            await asyncio.wait_for(last.wait(), WITHIN_S)
            assert not bell.is_set()


async def test_what_changed_before_anybody_listened_is_looked_at(state_database: StateDatabase) -> None:
    changes = Changes()
    with changes.bell("servers") as bell:
        async with await state_database.connect() as db:
            await db.execute(STARTED)
        async with hearing(state_database, changes):
            assert bell.is_set()


async def test_a_lost_state_is_noticed_by_who_listens(state_database: StateDatabase) -> None:
    async with hearing(state_database, Changes()) as (db, task):
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN changeover_changes'"
        )
        with pytest.raises(psycopg.OperationalError):
            await asyncio.wait_for(task, WITHIN_S)


async def test_what_was_read_beside_an_answer_is_told_although_the_socket_is_silent(
    state_database: StateDatabase,
) -> None:
    async with await state_database.connect() as ear, await state_database.connect() as db:
        await ear.execute("LISTEN changeover_changes")
        await db.execute(STARTED)
        await asyncio.to_thread(select.select, [ear], [], [], WITHIN_S)
        ear.pgconn.consume_input()

        told = await asyncio.wait_for(anext(notifications(ear)), WITHIN_S)

        assert told.payload == "servers"


async def test_who_can_wait_is_told_again_once_the_state_is_back(state_database: StateDatabase) -> None:
    changes = Changes()
    with changes.bell("servers") as bell:
        hearing_on = asyncio.ensure_future(changes.keep_hearing(state_database.connect))
        await asyncio.wait_for(bell.wait(), WITHIN_S)
        bell.clear()
        async with await state_database.connect() as db:
            await db.execute(END_OF_LISTENERS)
        await asyncio.wait_for(bell.wait(), WITHIN_S)  # it listens again, and says to look at everything
        hearing_on.cancel()
        await asyncio.gather(hearing_on, return_exceptions=True)


async def test_a_mark_is_another_one_after_a_change_of_its_table_only(state_database: StateDatabase) -> None:
    changes = Changes()
    async with hearing(state_database, changes) as (db, _):
        runs, servers = changes.mark("runs"), changes.mark("servers")
        await db.execute(STARTED)
        assert await changes.newer_mark("servers", servers, within_s=WITHIN_S) != servers
        assert changes.mark("runs") == runs
        assert await changes.newer_mark("runs", runs, within_s=0) == runs
