"""The servers of this host in our state: choosing one for a new database, reserving one, stopping all."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from changeover.engines.engine import Server, Size
from changeover.errors import HostFull
from changeover.errors.elsewhere import NotOurs
from changeover.platform.catalogue import Plan
from changeover.platform.names import new_server_name
from changeover.platform.scope import Parts, Scope
from changeover.platform.spaces import COMMON_ADDRESS
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import App, ServerRow, Space

ENGINE = "local"
MOST_ON_SHARED = 50
SHARED_SIZE = Size(max_connections=400)
LOOK_AGAIN_S = 0.05


def as_server(row: ServerRow) -> Server:
    """As an engine takes it. Raises NotOurs for a server run by others, which we never change."""
    if row.bin_directory is None or row.data_directory is None or row.socket_directory is None:
        raise NotOurs(f"{row.address}:{row.port} is not a managed server.", fix="Use the tools of its provider.")
    return Server(
        name=row.name,
        engine=row.engine,
        address=row.address,
        port=row.port,
        bin_directory=Path(row.bin_directory),
        data_directory=Path(row.data_directory),
        socket_directory=Path(row.socket_directory),
    )


async def server_of(db: Db, name: str) -> Server:
    """Raises NotOurs, as `as_server` does."""
    return as_server(await query.only(db, ServerRow, "databases.server", name=name))


async def choose_server(scope: Scope, app: App, plan: Plan, leader: Server | None) -> str:
    """The name of the server for a new database: its own, or a shared one for the essential tier.

    Raises HostFull. Prevents others from choosing until the transaction ends.
    """
    await query.execute(scope.db, "databases.lock_servers")
    address = await _address(scope, app)
    if plan.tier.is_shared:
        shared = await query.one(
            scope.db, ServerRow, "databases.shared_with_room",
            host=scope.parts.host, address=address, most=MOST_ON_SHARED,
        )  # fmt: skip
        if shared is not None:
            return shared.name
    known = await query.rows(scope.db, ServerRow, "databases.servers", host=scope.parts.host)
    if len(known) >= scope.parts.max_servers:
        raise HostFull(
            "This host is full: no database can be added.",
            why=f"It runs {len(known)} servers. The limit is {scope.parts.max_servers} (CHANGEOVER_MAX_DATABASES).",
            fix="Destroy a database that is no longer needed, or raise the setting and restart the control plane.",
        )
    server = scope.parts.engine.plan_server(
        new_server_name(), address=address, taken_ports=frozenset(row.port for row in known), leader=leader
    )
    size = SHARED_SIZE if plan.tier.is_shared else plan.size
    await _add(scope, server, size, is_shared=plan.tier.is_shared)
    return server.name


async def _address(scope: Scope, app: App) -> str:
    if app.space_id is None:
        return COMMON_ADDRESS
    return (await query.only(scope.db, Space, "spaces.find", key=str(app.space_id))).address


async def _add(scope: Scope, server: Server, size: Size, *, is_shared: bool) -> None:
    await query.execute(
        scope.db, "databases.add_server",
        name=server.name, host=scope.parts.host, engine=server.engine, address=server.address, port=server.port,
        bin_directory=str(server.bin_directory), data_directory=str(server.data_directory),
        socket_directory=str(server.socket_directory), size=Jsonb(dataclasses.asdict(size)), is_shared=is_shared,
    )  # fmt: skip


@asynccontextmanager
async def holding_server(db: Db, name: str, *, within_s: float = 0.0) -> AsyncIterator[bool]:
    """Whether no other run or keeper is working on the server. If True, none can until the block ends.

    `within_s`: how long to wait for another one to finish.
    """
    deadline = time.monotonic() + within_s
    while not (is_ours := (await query.values(db, "databases.try_lock_server", name=name))[0]):
        if time.monotonic() >= deadline:
            break
        await asyncio.sleep(LOOK_AGAIN_S)
    try:
        yield is_ours
    finally:
        if is_ours and not db.closed:
            await query.values(db, "databases.unlock_server", name=name)


async def servers_of_host(db: Db, host: str) -> Sequence[ServerRow]:
    return await query.rows(db, ServerRow, "databases.servers", host=host)


async def tidy_servers(parts: Parts, pool: AsyncConnectionPool[Any]) -> None:
    """Periodic maintenance of each running server: renew its certificate, remove old logs."""
    async with pool.connection() as db:
        rows = await servers_of_host(db, parts.host)
    for row in rows:
        if row.is_wanted:
            parts.engine.tidy(as_server(row))


async def stop_all(parts: Parts, db: Db) -> list[str]:
    """Stop every server of this host, followers first. Returns the names of those stopped."""
    stopped = []
    rows = await servers_of_host(db, parts.host)
    for row in reversed(rows):
        server = as_server(row)
        if (await parts.engine.health(server)).state != "stopped":
            await parts.engine.stop(server)
            stopped.append(row.name)
    return stopped
