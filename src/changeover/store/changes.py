"""Wakes who waits for a change of the state: the state itself tells of it (NOTIFY, by trigger, at the commit).

A change is named by its table (migrations/0016). A notification may be lost, with the connection that was to hear it: who
waits looks again after a while in any case.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from changeover.store.query import Db

CHANNEL = "changeover_changes"
PROOF_S = 15.0
"""How often a quiet connection is asked whether it is still one: over a network, silence can mean anything."""


class Changes:
    """One for a process."""

    def __init__(self) -> None:
        self._bells: dict[asyncio.Event, frozenset[str]] = {}

    @contextmanager
    def bell(self, *tables: str) -> Iterator[asyncio.Event]:
        """Set when one of the tables changes; whoever waits clears it first, and looks then."""
        event = asyncio.Event()
        self._bells[event] = frozenset(tables)
        try:
            yield event
        finally:
            del self._bells[event]

    async def hear(self, db: Db) -> None:
        """For ever, over a connection that nobody else uses. Raises OperationalError as soon as the state is lost."""
        db.add_notify_handler(lambda told: self._ring(told.payload))
        await db.execute(f"LISTEN {CHANNEL}")
        for event in self._bells:  # what was told before nobody has heard
            event.set()
        while True:
            await until_readable(db.fileno())
            await db.execute("SELECT 1")  # takes in what was told, or finds out that the state is lost

    def _ring(self, table: str) -> None:
        for event, tables in self._bells.items():
            if table in tables:
                event.set()


async def until_readable(handle: int) -> None:
    """Or until it is time to ask. psycopg's `notifies` wakes ten times a second, and can't be cancelled meanwhile."""
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, readable.set)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(PROOF_S):
                await readable.wait()
    finally:
        loop.remove_reader(handle)
