"""`pg:promote`: an alias for the current DATABASE, then DATABASE for the new one, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from changeover.engines.engine import Health
from changeover.errors import AlreadyPromoted, NotAvailable, NotFound
from changeover.errors.elsewhere import NotOurs
from changeover.platform.attachments import POOL_SUFFIX, attach
from changeover.platform.environment import POOLING_NAMESPACE, attachments_of
from changeover.platform.needs import AppNeed
from changeover.platform.pooling import ensure_pooler
from changeover.platform.readings import reading_of
from changeover.platform.resolving import find_addon, resolve_attachments
from changeover.platform.scope import Scope
from changeover.store import query
from changeover.store.rows import App, Attachment, Database

DEFAULT = "DATABASE"
POOL = DEFAULT + POOL_SUFFIX


@dataclass(frozen=True)
class Promotion:
    """`alias` is the attachment that keeps the former database reachable, if one had to be added.

    `pooled` is the one through the new database's pooler, if the former database had one.
    """

    attachment: Attachment
    former: Attachment | None
    alias: Attachment | None
    pooled: Attachment | None


async def promote(scope: Scope, app: App, key: str, *, name: str = DEFAULT, force: bool = False) -> Promotion:
    """Point DATABASE_URL (or `name`) to the database. Raises NotFound, AlreadyPromoted, NotAvailable, NotOurs.

    Does not wait: a follower becomes DATABASE too, and the CLI warns.
    """
    target = (await resolve_attachments(scope, key, app.name))[0]
    mine = await attachments_of(scope.db, app.id)
    former = next((one for one in mine if one.name == name), None)
    if former and (former.addon_id, former.namespace) == (target.addon_id, target.namespace):
        raise AlreadyPromoted(f"{target.addon_name} is already promoted on {app.name}.")
    database = await query.one(scope.db, Database, "databases.find", addon_id=target.addon_id)
    if database is None:
        raise NotFound(f"{target.addon_name} is not a database.", resource="add_on")
    if not force:
        await _require_available(scope, target, database)
        # Another request may have changed them while the database was queried.
        mine = await attachments_of(scope.db, app.id)
        former = next((one for one in mine if one.name == name), None)
    addon = await find_addon(scope, str(target.addon_id), AppNeed.VIEW)  # the app has it attached
    is_default_pooled = name == DEFAULT and former is not None and _pool_of(former, mine) is not None
    if is_default_pooled and database.is_external:
        raise NotOurs(
            f"{addon.name} can't take over {POOL}, which uses a managed pooler.",
            fix=f"Detach it first: `changeover addons:detach {POOL} -a {app.name}`.",
        )
    if is_default_pooled:
        await ensure_pooler(scope, addon)  # before anything that pooler creation waits for is locked
    alias = await _keep_reachable(scope, app, former, list(mine)) if former else None
    attachment = await attach(scope, addon, app, name=name, namespace=target.namespace, confirm=app.name)
    pooled = (
        await attach(scope, addon, app, name=POOL, namespace=POOLING_NAMESPACE, confirm=app.name)
        if is_default_pooled
        else None
    )
    return Promotion(attachment, former, alias, pooled)


def _pool_of(former: Attachment, mine: Sequence[Attachment]) -> Attachment | None:
    """The default attachment through the former database's pooler, if there is one."""
    wanted = (POOL, former.addon_id, POOLING_NAMESPACE)
    return next((one for one in mine if (one.name, one.addon_id, one.namespace) == wanted), None)


async def _require_available(scope: Scope, target: Attachment, database: Database) -> None:
    is_made = database.state == "provisioned"
    health = await _health(scope, database) if is_made else None
    if health is None or health.state != "available":
        state = (database.trouble or health.because or health.state) if health else database.state
        raise NotAvailable(
            f"Database cannot be promoted while in state: {state}",
            fix=f"Wait for it: `changeover pg:wait {target.addon_name} -a {target.app_name}`. Or use --force to skip this check.",
        )


async def _health(scope: Scope, database: Database) -> Health:
    reading = await reading_of(scope.db, scope.parts, database)
    async with scope.asking():
        return await reading.health()


async def _keep_reachable(scope: Scope, app: App, former: Attachment, mine: list[Attachment]) -> Attachment | None:
    others = [
        one
        for one in mine
        if one.id != former.id and (one.addon_id, one.namespace) == (former.addon_id, former.namespace)
    ]
    if others:
        return None
    addon = await find_addon(scope, str(former.addon_id), AppNeed.VIEW)
    return await attach(scope, addon, app, namespace=former.namespace)
