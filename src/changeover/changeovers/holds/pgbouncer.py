"""The hold `pgbouncer`: clients of a PgBouncer that the user runs wait, by its console."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from changeover.changeovers.ends.addresses import Ends
from changeover.changeovers.holds.hold import Held
from changeover.changeovers.holds.hooks import Hooks
from changeover.changeovers.holds.writers import Changed, HoldOfWriters
from changeover.errors.elsewhere import HoldFailed
from changeover.hosts.network import Reach
from changeover.postgres.connect import Connection
from changeover.postgres.location import Location
from changeover.postgres.reaching import log_in

PAUSE_S = 10
"""A PAUSE waits for open transactions, and may never return: past this it is taken back."""


async def leading_to(console: str, source: Location) -> list[str]:
    """The names of its databases that lead to the source. Raises HoldFailed where there is none."""
    async with _console(console) as asking:
        rows = await _databases(asking)
    ours = (source.host, source.port, source.database)
    names = [str(row["name"]) for row in rows if (row["host"] or "", row["port"], row["database"]) == ours]
    if names:
        return names
    raise HoldFailed(
        f"No database of that PgBouncer leads to {source}.",
        why=f"SHOW DATABASES at {Location.place(console)[0]} has none with this host, port and name.",
        fix="Name the source as PgBouncer does, or give the console of the right one.",
    )


async def pause(console: str, names: list[str]) -> None:
    """All of them or none. Raises HoldFailed."""
    # a PAUSE that waits keeps its own connection busy
    async with _console(console) as asking, _console(console) as holding:
        try:
            for name in names:
                await _wait_for(holding, name)
        except BaseException:
            for name in names:
                await _say(asking, "RESUME", name)
            raise


async def resume(console: str, names: list[str]) -> None:
    """Those that `pause` named, wherever they lead by now."""
    async with _console(console) as asking:
        for name in names:
            await _say(asking, "RESUME", name)


class PgBouncer(HoldOfWriters):
    """The clients of a PgBouncer that the user runs wait at it, and continue at the target."""

    says = "wait at their PgBouncer, and continue at the target"

    async def before(self, ends: Ends, hooks: Hooks) -> Changed:
        return {"databases": await leading_to(str(hooks.pgbouncer), ends.source)}

    async def take_from(self, _ends: Ends, hooks: Hooks, changed: Changed) -> tuple[Held, Changed]:
        await pause(str(hooks.pgbouncer), changed["databases"])
        return Held(), changed

    async def put_back(self, _ends: Ends, hooks: Hooks, changed: Changed) -> Held:
        await resume(str(hooks.pgbouncer), changed["databases"])
        return Held()

    async def pass_on(self, _ends: Ends, hooks: Hooks, changed: Changed) -> None:
        await resume(str(hooks.pgbouncer), changed["databases"])


async def _wait_for(holding: Connection, name: str) -> None:
    try:
        async with asyncio.timeout(PAUSE_S):
            await _say(holding, "PAUSE", name)
    except TimeoutError:
        raise HoldFailed(
            f"PgBouncer did not pause {name} within {PAUSE_S} seconds.",
            why="A client has a transaction open; it goes on, and so do all others.",
            fix="End that client (SHOW CLIENTS on the console names it), then give the same command again.",
        ) from None


async def _databases(asking: Connection) -> list[dict[str, object]]:
    async with asking.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SHOW DATABASES")
        return await cursor.fetchall()


async def _say(connection: Connection, verb: LiteralString, name: str) -> None:
    try:
        await connection.execute(sql.SQL("{} {}").format(sql.SQL(verb), sql.Identifier(name)))
    except psycopg.Error as refused:
        if "paused" not in str(refused):  # already, or not any more
            raise HoldFailed(f"PgBouncer refused to {verb} {name}.", why=str(refused).strip()) from None


@asynccontextmanager
async def _console(url: str) -> AsyncIterator[Connection]:
    """Only the operator can name one."""
    location = Location.parse(url, reach=Reach.ANYWHERE)
    connection = await log_in(location, {"connect_timeout": "5"}, cursors=psycopg.AsyncClientCursor)
    async with connection:
        yield connection
