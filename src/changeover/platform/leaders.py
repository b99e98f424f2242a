"""Finds the database given with `--follow`, and explains why one can't be followed."""

from __future__ import annotations

from changeover.errors import ChangeoverError, Forbidden, ForeignLeader, NotAvailable, NotFollowable, NotFound
from changeover.errors.elsewhere import NotOurs
from changeover.platform.catalogue import Plan
from changeover.platform.resolving import resolve_addon
from changeover.platform.rights import may_access, needed, remedy
from changeover.platform.scope import Scope
from changeover.platform.urls import DatabaseUrl, looks_like_url
from changeover.store import query
from changeover.store.rows import Addon, App, Database


async def find_leader(scope: Scope, app: App, plan: Plan, named: str) -> Database:
    """The leader for a new follower with that plan, by add-on, attachment, config var or URL.

    Raises NotFound, Forbidden, ForeignLeader, NotOurs, NotFollowable, NotAvailable.
    """
    if plan.tier.is_external:
        raise NotOurs(
            "An adopted database can't be made a follower.", fix="Choose a plan of the Standard tier or above."
        )
    if not plan.tier.can_follow:
        raise NotFollowable(
            f"A database of the plan {plan.full_name} can't be a follower.",
            why="Essential-tier databases share a server, but a follower needs its own.",
            fix="Choose a plan of the Standard tier or above.",
        )
    addon = await _addon_of_url(scope, named) if looks_like_url(named) else await _addon_of_name(scope, app, named)
    if not await may_access(scope, addon.app_id):
        owner = await query.only(scope.db, App, "apps.find", key=str(addon.app_id))
        raise Forbidden(
            f"You can't follow {addon.name}.",
            why=f"It needs the permission {needed(scope).value} on the app that owns it, {addon.app_name}.",
            fix=await remedy(scope, owner, needed(scope)),
        )
    database = await query.one(scope.db, Database, "databases.find", addon_id=addon.id)
    if database is None:
        raise NotFollowable(
            f"{addon.name} can't be followed.", why="It is not a database.", fix="Choose a database of the app."
        )
    _require_followable(scope, addon, database)
    return database


async def _addon_of_name(scope: Scope, app: App, named: str) -> Addon:
    try:
        return await resolve_addon(scope, named, app.name)
    except NotFound as error:
        raise NotFound(
            f"Couldn't find the database {named} to follow.",
            why=f"{app.name} has no attachment with this name, and you have access to no add-on with it.",
            fix=f"`changeover pg:info -a {app.name}` lists its databases. Write another app's as APP::DATABASE_URL.",
            resource=error.resource,
        ) from error


async def _addon_of_url(scope: Scope, text: str) -> Addon:
    url = DatabaseUrl.parse(text)
    database = await query.one(
        scope.db, Database, "databases.at_address", address=url.host, port=url.port, database_name=url.database
    )
    if database is None:
        raise ForeignLeader(
            f"The database at {url.host}:{url.port} can't be followed.",
            why="It is not managed by this installation. A follower needs physical replication from a managed server.",
            fix="Move it here with `changeover migrate SOURCE TARGET`.",
        )
    return await query.only(scope.db, Addon, "addons.find", key=str(database.addon_id))


def _require_followable(scope: Scope, addon: Addon, database: Database) -> None:
    plan = scope.parts.catalogue.plan_of(addon.service, addon.plan)
    refusal = _refusal(plan, addon, database)
    if refusal is not None:
        raise refusal


def _refusal(plan: Plan, addon: Addon, database: Database) -> ChangeoverError | None:
    if plan.tier.is_external:
        return NotOurs(f"{addon.name} can't be followed.", moving=addon.name)
    if not plan.tier.can_follow:
        return NotFollowable(
            f"{addon.name} can't be followed.",
            why=f"It is on the plan {plan.full_name}: Essential-tier databases don't support followers.",
            fix="Copy it to a database of the Standard tier or above.",
        )
    if database.leader_id is not None:
        return NotFollowable(
            f"{addon.name} can't be followed.",
            why="It is a follower itself, and followers can't be chained.",
            fix="Follow its leader instead.",
        )
    if addon.state != "provisioned":
        return NotAvailable(
            f"{addon.name} can't be followed yet.",
            why=f"It is {addon.state}.",
            fix=f"Wait for it: `changeover pg:wait {addon.name} -a {addon.app_name}`.",
        )
    return None
