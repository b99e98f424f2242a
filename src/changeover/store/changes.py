"""Notifies waiting code of changes in the state. Triggers send a NOTIFY at the commit.

A change is identified by its table (migrations/0016). A notification may be lost with its connection, so waiting code also
checks periodically.
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
"""How often a quiet connection is tested, because on a network it may be lost without a sign."""


class Changes:
    """One for each process."""

    def __init__(self) -> None:
        self._bells: dict[asyncio.Event, frozenset[str]] = {}
        self._began, self._told = time.time_ns(), Counter[str]()

    @contextmanager
    def bell(self, *tables: str) -> Iterator[asyncio.Event]:
        """An event that is set when one of the tables changes. Clear it before you check the state."""
        event = asyncio.Event()
        self._bells[event] = frozenset(tables)
        try:
            yield event
        finally:
            del self._bells[event]

    def mark(self, table: str) -> str:
        """A value that changes with each change of the table, and with each process. Compare it to detect changes."""
        return f"{self._began}-{self._told[ANY]}-{self._told[table]}"

    async def newer_mark(self, table: str, than: str, *, within_s: float) -> str:
        """The new mark as soon as it differs. The same one when the time is up."""
        with self.bell(table) as bell, suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.mark(table) == than:
                    await bell.wait()
                    bell.clear()
        return self.mark(table)

    async def keep_hearing(self, connect: Callable[[], Awaitable[Db]]) -> None:
        """Like `hear`, but reconnects when the connection is lost. For code that can wait until the state is back."""
        while True:
            try:
                async with await connect() as db:
                    await self.hear(db)
            except OperationalError as lost:
                log.warning("not told of changes, until the state answers again: %s", lost)
            await asyncio.sleep(AGAIN_S)

    async def hear(self, db: Db) -> None:
        """Runs forever, on a connection for this purpose only. Raises OperationalError when the state is lost."""
        await db.execute(f"LISTEN {CHANNEL}")
        self._told[ANY] += 1  # earlier notifications were not received
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
    """Runs forever. Raises OperationalError when the connection is lost.

    Replaces psycopg's own, which wakes ten times a second and can't be cancelled before its timeout.
    """
    beside_answers: list[Notify] = []
    db.add_notify_handler(beside_answers.append)
    while True:
        # Also notifications that were read after an answer, for which the socket is no longer readable.
        while (one := db.pgconn.notifies()) is not None:
            yield Notify(one.relname.decode(), one.extra.decode(), one.be_pid)
        while beside_answers:
            yield beside_answers.pop(0)
        if await _is_readable(db.fileno()):
            db.pgconn.consume_input()
        else:
            await db.execute("SELECT 1")


async def _is_readable(handle: int) -> bool:
    """False when the connection should be tested."""
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
