"""Our connections to one PgBouncer's console: pause, resume, change the route, inspect.

Commands name the clients' database, so the canary can still connect through the same pooler.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from changeover.engines.local.pgbouncer.program import facts_said
from changeover.engines.pooler import Pooler, PoolerFacts, PoolLoad, Route, canary_name
from changeover.errors import ServerFailed, ServerUnreachable
from changeover.postgres.cluster import lay_ready, write_file

ITSELF = "pgbouncer"
"""The console's own database."""
CONNECTED_WITHIN_S = 5
LOOK_S = 0.002

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Row]
Write = Callable[..., None]
Configure = Callable[[PoolerFacts, Route, Route | None, Write], None]


class PgBouncerConsole:
    """See `Console`. Uses two connections: a waiting PAUSE blocks its own, and may never be answered."""

    def __init__(self, pooler: Pooler, administrator: str, configure: Configure) -> None:
        self._pooler, self._administrator, self._configure = pooler, administrator, configure
        self._asking: Connection
        self._holding: Connection
        self._database = ""
        self._facts: PoolerFacts

    @property
    def facts(self) -> PoolerFacts:
        return self._facts

    async def open(self) -> None:
        self._asking, self._holding = await self._connect(), await self._connect()
        self._database = (await self._clients_database())["name"]
        self._facts = await self._ask_version()

    async def close(self) -> None:
        await self._asking.close()
        await self._holding.close()

    async def pause(self, *, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        if not await self._nobody_logs_in(deadline):
            return False
        holding = asyncio.create_task(self._say(self._holding, "PAUSE"))
        is_held = False
        try:
            done, _ = await asyncio.wait({holding}, timeout=max(0.0, deadline - time.monotonic()))
            if done:
                await holding
                is_held = True
        finally:
            if not is_held:
                await asyncio.shield(self._give_up(holding))
        return is_held

    async def resume(self) -> None:
        try:
            await self._say(self._asking, "RESUME")
        except psycopg.Error as refused:
            if "not paused" not in str(refused):
                raise

    async def lead_to(self, route: Route, *, canary: Route | None = None) -> None:
        await asyncio.to_thread(self._configure, self._facts, route, canary, write_file)
        await self._ask(self._asking, sql.SQL("RELOAD"))
        self._database = route.database
        await self._require_read(route.database, route)
        if canary is not None:
            await self._require_read(canary_name(route.database), canary)

    async def lay_ready(self, route: Route, *, canary: Route | None = None) -> None:
        await asyncio.to_thread(self._configure, self._facts, route, canary, lay_ready)

    async def load(self) -> PoolLoad:
        pools = await self._ask(self._asking, sql.SQL("SHOW POOLS"))
        mine = [pool for pool in pools if pool["database"] == self._database]
        database = await self._clients_database()
        return PoolLoad(
            clients=sum(pool["cl_active"] + pool["cl_waiting"] for pool in mine),
            waiting=sum(pool["cl_waiting"] for pool in mine),
            logging_in=sum(pool["sv_login"] for pool in mine),
            is_paused=bool(database["paused"]),
        )

    # -- parts

    async def _nobody_logs_in(self, deadline: float) -> bool:
        """A pause must not interrupt a login to the server, which would count as failed."""
        while (await self.load()).logging_in:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    async def _give_up(self, holding: asyncio.Task[None]) -> None:
        """Resume. A PAUSE that still waits is never answered, so its connection is closed and replaced."""
        try:
            await self.resume()
        finally:
            if not holding.done():
                _cut(self._holding)
            with contextlib.suppress(psycopg.Error, ServerUnreachable):
                await holding
            await self._holding.close()
        self._holding = await self._connect()

    async def _ask_version(self) -> PoolerFacts:
        """Needed because a setting that it does not know would keep it from reading the others."""
        [said] = await self._ask(self._asking, sql.SQL("SHOW VERSION"))
        facts = facts_said(str(said["version"]))
        if facts is None:
            raise ServerFailed(
                f"The pooler {self._pooler.name} is not a PgBouncer.", why=f"Its version is: {said['version']}"
            )
        return facts

    async def _clients_database(self) -> Row:
        databases = await self._ask(self._asking, sql.SQL("SHOW DATABASES"))
        known = [one for one in databases if one["name"] != ITSELF]
        canaries = {canary_name(one["name"]) for one in known}
        return next(one for one in known if one["name"] not in canaries)

    async def _require_read(self, name: str, route: Route) -> None:
        wanted = (str(route.server.socket_directory), route.server.port, route.database)
        databases = await self._ask(self._asking, sql.SQL("SHOW DATABASES"))
        found = next((one for one in databases if one["name"] == name), None)
        if found is None or (found["host"], int(found["port"]), found["database"]) != wanted:
            raise ServerFailed(
                f"The pooler {self._pooler.name} does not lead to {route.server.name}.",
                why=f"It was told to, but reports for {name}: {found}.",
                fix=f"See the log in {self._pooler.folder} for what it could not read.",
            )

    async def _say(self, connection: Connection, verb: str) -> None:
        command = sql.SQL("{} {}").format(sql.SQL(verb), sql.Identifier(self._database))
        await self._ask(connection, command)

    async def _ask(self, connection: Connection, command: sql.SQL | sql.Composed) -> list[Row]:
        with _lost(self._pooler, connection):
            answer = await connection.execute(command)
            return await answer.fetchall() if answer.description else []

    async def _connect(self) -> Connection:
        with _lost(self._pooler, None):
            return await psycopg.AsyncConnection.connect(
                host=str(self._pooler.socket_directory), port=self._pooler.port, user=self._administrator,
                dbname=ITSELF, autocommit=True, prepare_threshold=None, row_factory=dict_row, sslmode="disable",
                connect_timeout=CONNECTED_WITHIN_S, passfile="/nonexistent", options="", target_session_attrs="any",
            )  # fmt: skip


@asynccontextmanager
async def open_console(pooler: Pooler, administrator: str, configure: Configure) -> AsyncIterator[PgBouncerConsole]:
    """Raises ServerUnreachable."""
    console = PgBouncerConsole(pooler, administrator, configure)
    await console.open()
    try:
        yield console
    finally:
        await console.close()


def _cut(connection: Connection) -> None:
    """Shut down the socket, so that pending reads return."""
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _lost(pooler: Pooler, connection: Connection | None) -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as failure:
        if connection is not None and not connection.closed:
            raise
        raise ServerUnreachable(
            f"The pooler {pooler.name} does not answer.",
            why=" ".join(str(failure).split()),
            fix="It is restarted automatically. If not, see its log.",
        ) from failure
