"""One of the two databases: several sessions with the same snapshot that print all values alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.location import Location
from changeover.postgres.reaching import lost, reach

PRINTING = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "xmlbinary": "base64",
    "quote_all_identifiers": "off",
}
"""With these settings, equal values print as equal text. Since version 12, 1 prints a float's shortest exact digits."""
READING = {"row_security": "off", "jit": "off", "transaction_timeout": "0"}
"""`row_security=off` makes a policy that would hide rows an error. Servers of some versions lack some of these."""
LOST = ("57P", "08")


@dataclass
class Side:
    """Each session is in a read-only transaction, and all have the same snapshot."""

    name: str
    """`source` or `target`."""
    location: Location
    version: int
    """server_version_num: 150018."""
    encoding: str
    block_bytes: int
    snapshot: str
    _idle: asyncio.LifoQueue[Connection] = field(repr=False)

    @property
    def major(self) -> int:
        return self.version // 10000

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """One of the sessions, for a few statements. A failed statement keeps the snapshot.

        Raises ConnectionLost when the server is gone, and psycopg's error for a failed statement.
        """
        connection = await self._idle.get()
        try:
            async with connection.transaction():
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as failure:
            if connection.closed or (failure.sqlstate or "").startswith(LOST):
                raise lost(self.location, failure) from failure
            raise
        finally:
            self._idle.put_nowait(connection)

    async def rows(self, query: Any, parameters: Any = None) -> list[tuple[Any, ...]]:
        """All rows of one query, run in one of the sessions."""
        async with self.session() as connection:
            return await (await connection.execute(query, parameters)).fetchall()


@asynccontextmanager
async def open_side(name: str, location: Location, *, connections: int, parallel: int) -> AsyncIterator[Side]:
    """`parallel` is the number of parallel workers per statement. Raises what `reach` raises."""
    async with AsyncExitStack() as stack:
        idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()

        async def begin() -> Connection:
            way_in = reach(location, application_name="changeover verify", statement_timeout_s=0)
            session = await stack.enter_async_context(way_in)
            await _settle(session, parallel)
            idle.put_nowait(session)
            return session

        side = await _first(name, location, await begin(), idle)
        for _ in range(connections - 1):
            session = await begin()
            await session.execute(psycopg.sql.SQL("SET TRANSACTION SNAPSHOT {}").format(side.snapshot))
        yield side


async def _settle(session: Connection, parallel: int) -> None:
    await session.execute(
        "SET client_encoding = 'UTF8'"
    )  # first, because without an encoding psycopg returns text as bytes
    settings = PRINTING | READING | {"max_parallel_workers_per_gather": str(parallel)}
    known = {row[0] for row in await (await session.execute("SELECT lower(name) FROM pg_settings")).fetchall()}
    for name, value in settings.items():
        if name.lower() in known:
            await session.execute("SELECT set_config(%s, %s, false)", [name, value])
    await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")


async def _first(name: str, location: Location, session: Connection, idle: asyncio.LifoQueue[Connection]) -> Side:
    version, encoding, block_bytes, snapshot = await fetch_row(
        session,
        "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),"
        " current_setting('block_size')::int, pg_export_snapshot()",
    )
    return Side(name, location, version, encoding, block_bytes, snapshot, idle)


async def together(*works: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run concurrently and return the results in order. The first failure cancels the others and is raised itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as several:
        raise _first_of(several) from None
    return [task.result() for task in tasks]


def _first_of(several: BaseExceptionGroup[BaseException]) -> BaseException:
    first = several.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
