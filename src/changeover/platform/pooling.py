"""Connection pooling: a database gets a pooler when an app first requests one, and keeps it while it exists.

A pooler is started before its row is visible. The keeper removes poolers without a row, left by a failed creation or a removed
database. So nothing unfinished stays, and no other code has to clean up.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from changeover.engines.engine import Server
from changeover.engines.pooler import Pooler, Route
from changeover.errors import NotFound, PoolingUnavailable, ToolMissing
from changeover.errors.elsewhere import NotOurs
from changeover.platform.catalogue import Plan
from changeover.platform.environment import POOLING_NAMESPACE
from changeover.platform.names import new_pooler_name
from changeover.platform.scope import Parts, Scope
from changeover.platform.servers import server_of
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import Addon, CredentialRow, Database, PoolerRow

SHARE_OF_CONNECTIONS = 0.75
"""The share of the plan's connections. The rest is for direct connections."""


def as_pooler(row: PoolerRow) -> Pooler:
    """As the engine takes it."""
    return Pooler(row.name, row.address, row.port, Path(row.folder), Path(row.socket_directory))


async def poolers_of(db: Db, addon_id: UUID) -> list[Pooler]:
    """All poolers of a database. The first one's URL is given to apps."""
    return [as_pooler(row) for row in await query.rows(db, PoolerRow, "poolers.of_addon", addon_id=addon_id)]


async def move_poolers(db: Db, source_id: UUID, target_id: UUID) -> None:
    """Record that all poolers of one database now lead to another. The caller changes their routes."""
    await query.execute(db, "poolers.move", source_id=source_id, target_id=target_id)


async def route_to(db: Db, parts: Parts, database: Database, *, server: Server | None = None) -> Route:
    """The route of poolers to a database, or to its copy on another `server`. Raises ServerUnreachable, ServerFailed."""
    credentials = await query.rows(db, CredentialRow, "databases.credentials", addon_id=database.addon_id)
    plan = parts.catalogue.plan_of(parts.catalogue.service.name, database.plan)
    return await parts.poolers.route_to(
        server or await server_of(db, database.server_name),
        database.database_name,
        roles=[one.user_name for one in credentials],
        most_connections=most_connections(plan),
    )


def most_connections(plan: Plan) -> int:
    """The maximum number of connections of a database's pooler to its server."""
    return max(1, int(plan.size.max_connections * SHARE_OF_CONNECTIONS))


async def ensure_pooler(scope: Scope, addon: Addon) -> Pooler:
    """The database's pooler, created if missing, and running.

    Raises PoolingUnavailable, NotOurs, ToolMissing, ServerUnreachable, ServerFailed, HostFull.
    """
    parts = scope.parts
    database = await query.one(scope.db, Database, "databases.find", addon_id=addon.id)
    if database is None:
        raise NotFound(f"{addon.name} is not a database.", resource="add_on")
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
            f"{addon.name} can't have a pooler here.",
            fix="Many providers have their own pooler: set its URL as a config var. "
            f"Or move it to a managed server: `changeover migrate {addon.name} TARGET`.",
        )
    if plan.tier.is_shared:
        raise PoolingUnavailable(
            "You can't perform this operation on Essential-tier databases.",
            why=f"{addon.name} is on the plan {plan.full_name}: it shares its server, so it can't have its own pooler.",
            fix="Move it to a plan of the Standard tier or above.",
        )


async def pooling_status(db: Db, parts: Parts, database: Database) -> str:
    """The status in `pg:info`."""
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


async def tidy_poolers(parts: Parts, pool: AsyncConnectionPool[Any]) -> None:
    """Periodic maintenance: renew certificates, remove old logs."""
    async with pool.connection() as db:
        rows = await query.rows(db, PoolerRow, "poolers.of_host", host=parts.host)
    for row in rows:
        parts.poolers.tidy(as_pooler(row))


async def stop_poolers(parts: Parts, db: Db) -> None:
    """Stop all poolers of this host, before their servers."""
    rows: Sequence[PoolerRow] = await query.rows(db, PoolerRow, "poolers.of_host", host=parts.host)
    for row in rows:
        await parts.poolers.stop(as_pooler(row))
