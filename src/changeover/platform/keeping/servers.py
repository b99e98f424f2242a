"""Keeps the servers of this host running."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Any

from psycopg_pool import AsyncConnectionPool

from changeover.errors import ChangeoverError
from changeover.platform.keeping.ends import SETTLED_S, UNSETTLED_S, Ends
from changeover.platform.scope import Parts
from changeover.platform.servers import as_server, holding_server, servers_of_host
from changeover.store import query
from changeover.store.rows import ServerRow

log = logging.getLogger(__name__)


class ServerKeeper:
    """Starts each server that should run but doesn't, and records why one does not start."""

    def __init__(self, parts: Parts, pool: AsyncConnectionPool[Any], bell: asyncio.Event) -> None:
        self._parts, self._pool = parts, pool
        self._ends = Ends(bell)

    async def look(self) -> float:
        """One round. Returns the seconds until the next, unless the event is set earlier. Skips watched servers that run."""
        async with self._pool.connection() as db:
            rows = [row for row in await servers_of_host(db, self._parts.host) if row.is_wanted]
        self._ends.forget_all_but([row.name for row in rows])
        are_settled = [self._ends.is_fresh(row.name) or await self._keep(row) for row in rows]
        return SETTLED_S if all(are_settled) else UNSETTLED_S

    async def _keep(self, row: ServerRow) -> bool:
        """Whether all is well."""
        health = await self._parts.engine.health(as_server(row))
        if health.state in ("stopped", "failed"):
            await self._revive(row, health.because)
        if health.state != "available":
            return False
        if row.trouble:
            await self._remember(row.name, None)
        if not self._parts.engine.has_current_access(as_server(row)) and not await self._renew_access(row):
            return False
        self._ends.watch(row.name, functools.partial(self._parts.engine.until_down, as_server(row)))
        return True

    async def _revive(self, row: ServerRow, because: str) -> None:
        async with self._pool.connection() as db, holding_server(db, row.name) as is_ours:
            fresh = await query.one(db, ServerRow, "databases.server", name=row.name)
            if not is_ours or fresh is None or not fresh.is_wanted:
                return
            try:
                await self._parts.engine.start(as_server(row))
                log.warning("server %s was down (%s): started it", row.name, because)
                trouble = None
            except ChangeoverError as error:
                log.warning("server %s does not start: %s", row.name, error.message)
                trouble = f"{error.what} {error.why}".strip()
        await self._remember(row.name, trouble)

    async def _renew_access(self, row: ServerRow) -> bool:
        """Once for each server that was already running when this process started. False if it is reserved by another task."""
        async with self._pool.connection() as db, holding_server(db, row.name) as is_ours:
            if is_ours:
                try:
                    await self._parts.engine.renew_access(as_server(row))
                except ChangeoverError as error:
                    log.warning("server %s keeps its old access rules: %s", row.name, error.message)
            return is_ours and self._parts.engine.has_current_access(as_server(row))

    async def _remember(self, name: str, trouble: str | None) -> None:
        async with self._pool.connection() as db:
            await query.execute(db, "databases.set_trouble", name=name, trouble=trouble)
