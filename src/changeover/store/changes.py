"""Wakes who waits for a change of the state: the state itself tells of it (NOTIFY, by trigger, at the commit).

A change is named by its table (migrations/0016). A notification may be lost, with the connection that was to hear it: who
waits looks again after a while in any case.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from psycopg import Notify, OperationalError

from changeover.store.query import Db

log = logging.getLogger(__name__)

CHANNEL = "changeover_changes"
ANY = "any"
AGAIN_S = 1.0
PROOF_S = 15.0
"""How often a quiet connection is asked whether it is still one: over a network, silence can mean anything."""


class Changes:
    """One for a process."""

    def __init__(self) -> None:
        self._bells: dict[asyncio.Event, frozenset[str]] = {}
        self._began, self._told = time.time_ns(), Counter[str]()

    @contextmanager
    def bell(self, *tables: str) -> Iterator[asyncio.Event]:
        """Set when one of the tables changes; whoever waits clears it first, and looks then."""
        event = asyncio.Event()
        self._bells[event] = frozenset(tables)
        try:
            yield event
        finally:
            del self._bells[event]

    def mark(self, table: str) -> str:
        """Another one after each change of the table, and in each process: whoever has an older one looks again."""
        return f"{self._began}-{self._told[ANY]}-{self._told[table]}"

    async def newer_mark(self, table: str, than: str, *, within_s: float) -> str:
        """As soon as there is another one; the same when the time is over."""
        with self.bell(table) as bell, suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.mark(table) == than:
                    await bell.wait()
                    bell.clear()
        return self.mark(table)

    async def keep_hearing(self, connect: Callable[[], Awaitable[Db]]) -> None:
        """As `hear`, over another connection whenever one is lost: for who can wait until the state is back."""
        while True:
            try:
                async with await connect() as db:
                    await self.hear(db)
            except OperationalError as lost:
                log.warning("not told of changes, until the state answers again: %s", lost)
            await asyncio.sleep(AGAIN_S)

    async def hear(self, db: Db) -> None:
        """For ever, over a connection that nobody else uses. Raises OperationalError as soon as the state is lost."""
        await db.execute(f"LISTEN {CHANNEL}")
        self._told[ANY] += 1  # what was told before nobody has heard
        for event in self._bells:
            event.set()
        async for told in notifications(db):
            self._ring(told.payload)

    def _ring(self, table: str) -> None:
        self._told[table] += 1
        for event, tables in self._bells.items():
            if table in tables:
                event.set()


async def notifications(db: Db) -> AsyncIterator[Notify]:
    """For ever. Raises OperationalError as soon as the connection is lost.

    As psycopg's own, which wakes ten times a second and can't be cancelled before its time is over.
    """
    beside_answers: list[Notify] = []
    db.add_notify_handler(beside_answers.append)
    while True:
        # Also what was read with an answer and stands behind it: the socket says nothing about that any more.
        while (one := db.pgconn.notifies()) is not None:
            yield Notify(one.relname.decode(), one.extra.decode(), one.be_pid)
        while beside_answers:
            yield beside_answers.pop(0)
        if await _is_readable(db.fileno()):
            db.pgconn.consume_input()
        else:
            await db.execute("SELECT 1")


async def _is_readable(handle: int) -> bool:
    """False when it is time to ask."""
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, readable.set)
    try:
        async with asyncio.timeout(PROOF_S):
            await readable.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(handle)
    return True
