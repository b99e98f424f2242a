"""Connection pooling: each database gets a pooler when an app first wants one, and keeps it as long as it lives.

A pooler runs before its row can be seen; one without a row (its making failed, its database has gone) is removed by who
keeps them alive. So nothing half-made stays, and nobody else has to clean up.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from changeover.engines.engine import Server
from changeover.engines.pooler import Pooler, Route
from changeover.errors import ChangeoverError, NotFound, PoolingUnavailable, ToolMissing
from changeover.errors.elsewhere import NotOurs
from changeover.platform.catalogue import Plan
from changeover.platform.environment import POOLING_NAMESPACE
from changeover.platform.names import new_pooler_name
from changeover.platform.scope import Parts, Scope
from changeover.platform.servers import server_of
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import Addon, CredentialRow, Database, PoolerRow

log = logging.getLogger(__name__)

SHARE_OF_CONNECTIONS = 0.75
"""Of the plan's connections: the rest is for those who connect directly."""


def as_pooler(row: PoolerRow) -> Pooler:
    """What the engine takes."""
    return Pooler(row.name, row.address, row.port, Path(row.folder), Path(row.socket_directory))


async def poolers_of(db: Db, addon_id: UUID) -> list[Pooler]:
    """All that lead to a database; the first is the one whose URL is given out."""
    return [as_pooler(row) for row in await query.rows(db, PoolerRow, "poolers.of_addon", addon_id=addon_id)]


async def move_poolers(db: Db, source_id: UUID, target_id: UUID) -> None:
    """Remember that all poolers of one database lead to another now; to have them do so is the caller's business."""
    await query.execute(db, "poolers.move", source_id=source_id, target_id=target_id)


async def route_to(db: Db, parts: Parts, database: Database, *, server: Server | None = None) -> Route:
    """How poolers reach a database, or its copy on another `server`. Raises ServerUnreachable, ServerFailed."""
    credentials = await query.rows(db, CredentialRow, "databases.credentials", addon_id=database.addon_id)
    plan = parts.catalogue.plan_of(parts.catalogue.service.name, database.plan)
    return await parts.poolers.route_to(
        server or await server_of(db, database.server_name),
        database.database_name,
        roles=[one.user_name for one in credentials],
        most_connections=most_connections(plan),
    )


def most_connections(plan: Plan) -> int:
    """How many connections a database's pooler makes to its server at most."""
    return max(1, int(plan.size.max_connections * SHARE_OF_CONNECTIONS))


async def ensure_pooler(scope: Scope, addon: Addon) -> Pooler:
    """The database's pooler, running.

    Raises PoolingUnavailable, NotOurs, ToolMissing, ServerUnreachable, ServerFailed, HostFull.
    """
    parts = scope.parts
    database = await query.one(scope.db, Database, "databases.find", addon_id=addon.id)
    if database is None:
        raise NotFound(f"{addon.name} is no database.", resource="add_on")
    require_pooling(addon, parts.catalogue.plan_of(addon.service, addon.plan))
    await query.values(scope.db, "poolers.lock_making", host=parts.host)
    known = await poolers_of(scope.db, addon.id)
    if known:
        return known[0]
    others = await query.rows(scope.db, PoolerRow, "poolers.of_host", host=parts.host)
    pooler = parts.poolers.plan_pooler(
        new_pooler_name(), address=database.address, taken_ports=frozenset(one.port for one in others)
    )
    await parts.poolers.start(pooler, await route_to(scope.db, parts, database))
    await query.execute(
        scope.db, "poolers.add",
        name=pooler.name, host=parts.host, address=pooler.address, port=pooler.port, folder=str(pooler.folder),
        socket_directory=str(pooler.socket_directory), addon_id=addon.id,
    )  # fmt: skip
    return pooler


def require_pooling(addon: Addon, plan: Plan) -> None:
    """Raises PoolingUnavailable, NotOurs."""
    if plan.tier.is_external:
        raise NotOurs(
            f"{addon.name} can't get a pooler of ours.",
            fix="Many providers have a pooler of their own: put its URL into a config var. "
            f"Or move it to a server of ours: `changeover migrate {addon.name} TARGET`.",
        )
    if plan.tier.is_shared:
        raise PoolingUnavailable(
            "You can't perform this operation on Essential-tier databases.",
            why=f"{addon.name} is on the plan {plan.full_name}: it shares its server, and has no pooler of its own.",
            fix="Move it to a plan of the Standard tier or above.",
        )


async def pooling_status(db: Db, parts: Parts, database: Database) -> str:
    """As `pg:info` shows it."""
    if database.is_external:
        return "Unsupported"
    rows = await query.rows(db, PoolerRow, "poolers.of_addon", addon_id=database.addon_id)
    if rows and rows[0].trouble:
        return f"Unavailable ({rows[0].trouble})"
    try:
        parts.poolers.facts()
    except ToolMissing:
        return "Unavailable (this host has no PgBouncer: apt-get install pgbouncer)"
    return "Available"


def is_pooled(namespace: str | None) -> bool:
    return namespace == POOLING_NAMESPACE


# -- keeping them alive


async def keep_poolers_alive(parts: Parts, pool: AsyncConnectionPool[Any]) -> None:
    """One round: start each pooler that is down, remove each that nobody knows.

    Not in the pause of a changeover: it would let clients through, to a side that is fenced.
    """
    async with pool.connection() as db:
        rows = await query.rows(db, PoolerRow, "poolers.of_host", host=parts.host)
    for row in rows:
        health = await parts.poolers.health(as_pooler(row))
        if health.state in ("stopped", "failed"):
            if not await _is_in_a_pause(pool, row):
                await _revive(parts, pool, row, health.because)
        elif row.trouble and health.state == "available":
            await _remember(pool, row, None)
    await _remove_strangers(parts, pool)


async def _is_in_a_pause(pool: AsyncConnectionPool[Any], row: PoolerRow) -> bool:
    async with pool.connection() as db:
        return await query.values(db, "poolers.is_in_a_pause", name=row.name) == [True]


async def _revive(parts: Parts, pool: AsyncConnectionPool[Any], row: PoolerRow, because: str) -> None:
    """It leads where it led last; one whose files were lost, to its database."""
    try:
        if Path(row.folder, "pgbouncer.ini").exists():
            await parts.poolers.start(as_pooler(row))
        else:
            async with pool.connection() as db:
                database = await query.only(db, Database, "databases.find", addon_id=row.addon_id)
                await parts.poolers.start(as_pooler(row), await route_to(db, parts, database))
    except ChangeoverError as error:
        trouble = f"{error.what} {error.why}".strip()
        if trouble != row.trouble:
            log.warning("pooler %s does not start: %s", row.name, error.message)
        await _remember(pool, row, trouble)
        return
    log.warning("pooler %s was down (%s): started it", row.name, because)
    await _remember(pool, row, None)


async def _remember(pool: AsyncConnectionPool[Any], row: PoolerRow, trouble: str | None) -> None:
    async with pool.connection() as db:
        await query.execute(db, "poolers.set_trouble", name=row.name, trouble=trouble)


async def _remove_strangers(parts: Parts, pool: AsyncConnectionPool[Any]) -> None:
    """Never while one is being made: then it has no row that we could see."""
    async with pool.connection() as db, db.transaction():
        [is_alone] = await query.values(db, "poolers.try_lock_making", host=parts.host)
        if is_alone:
            known = await query.rows(db, PoolerRow, "poolers.of_host", host=parts.host)
            for name in await parts.poolers.destroy_all_but({row.name for row in known}):
                log.info("removed the pooler %s: it leads to no database", name)


async def tidy_poolers(parts: Parts, pool: AsyncConnectionPool[Any]) -> None:
    """What each needs now and then: its certificate renewed, old logs removed."""
    async with pool.connection() as db:
        rows = await query.rows(db, PoolerRow, "poolers.of_host", host=parts.host)
    for row in rows:
        parts.poolers.tidy(as_pooler(row))


async def stop_poolers(parts: Parts, db: Db) -> None:
    """All of this host, before their servers."""
    rows: Sequence[PoolerRow] = await query.rows(db, PoolerRow, "poolers.of_host", host=parts.host)
    for row in rows:
        await parts.poolers.stop(as_pooler(row))
