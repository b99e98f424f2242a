"""Keeps the poolers of this host running, and removes those without a database."""

from __future__ import annotations

import asyncio
import functools
import logging
from pathlib import Path
from typing import Any

from psycopg_pool import AsyncConnectionPool

from changeover.errors import ChangeoverError
from changeover.platform.keeping.ends import SETTLED_S, UNSETTLED_S, Ends
from changeover.platform.pooling import as_pooler, route_to
from changeover.platform.scope import Parts
from changeover.store import query
from changeover.store.rows import Database, PoolerRow

log = logging.getLogger(__name__)


class PoolerKeeper:
    """Never during the pause of a changeover, because a pooler would let clients through to a fenced server."""

    def __init__(self, parts: Parts, pool: AsyncConnectionPool[Any], bell: asyncio.Event) -> None:
        self._parts, self._pool = parts, pool
        self._ends = Ends(bell)

    async def look(self) -> float:
        """One round. Returns the seconds until the next, unless the event is set earlier. Skips watched poolers that run."""
        async with self._pool.connection() as db:
            rows = await query.rows(db, PoolerRow, "poolers.of_host", host=self._parts.host)
        self._ends.forget_all_but([row.name for row in rows])
        are_settled = [self._ends.is_fresh(row.name) or await self._keep(row) for row in rows]
        has_cleaned = await self._remove_strangers()
        return SETTLED_S if all(are_settled) and has_cleaned else UNSETTLED_S

    async def _keep(self, row: PoolerRow) -> bool:
        """Whether all is well."""
        health = await self._parts.poolers.health(as_pooler(row))
        if health.state in ("stopped", "failed") and not await self._is_in_a_pause(row):
            await self._revive(row, health.because)
        if health.state != "available":
            return False
        if row.trouble:
            await self._remember(row, None)
        self._ends.watch(row.name, functools.partial(self._parts.poolers.until_down, as_pooler(row)))
        return True

    async def _is_in_a_pause(self, row: PoolerRow) -> bool:
        async with self._pool.connection() as db:
            return await query.values(db, "poolers.is_in_a_pause", name=row.name) == [True]

    async def _revive(self, row: PoolerRow, because: str) -> None:
        """It keeps its previous route. If its files are lost, it gets the route to its database."""
        try:
            if Path(row.folder, "pgbouncer.ini").exists():
                await self._parts.poolers.start(as_pooler(row))
            else:
                async with self._pool.connection() as db:
                    database = await query.only(db, Database, "databases.find", addon_id=row.addon_id)
                    await self._parts.poolers.start(as_pooler(row), await route_to(db, self._parts, database))
        except ChangeoverError as error:
            trouble = f"{error.what} {error.why}".strip()
            if trouble != row.trouble:
                log.warning("pooler %s does not start: %s", row.name, error.message)
            await self._remember(row, trouble)
            return
        log.warning("pooler %s was down (%s): started it", row.name, because)
        await self._remember(row, None)

    async def _remember(self, row: PoolerRow, trouble: str | None) -> None:
        async with self._pool.connection() as db:
            await query.execute(db, "poolers.set_trouble", name=row.name, trouble=trouble)

    async def _remove_strangers(self) -> bool:
        """False while one is being created, because its row is not visible yet."""
        async with self._pool.connection() as db, db.transaction():
            [is_alone] = await query.values(db, "poolers.try_lock_making", host=self._parts.host)
            if is_alone:
                known = await query.rows(db, PoolerRow, "poolers.of_host", host=self._parts.host)
                for name in await self._parts.poolers.destroy_all_but({row.name for row in known}):
                    log.info("removed the pooler %s: it leads to no database", name)
        return bool(is_alone)
