"""Add-ons, such as databases, as users see them. Creating and destroying is decided here and done by a run."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from changeover.errors import (
    AttachedElsewhere,
    HasFollowers,
    InvalidParams,
    NameTaken,
    NotAvailable,
    RunConflict,
)
from changeover.platform.attachments import attachments_to, claim_name, put_on, take_off_all
from changeover.platform.catalogue import Plan
from changeover.platform.leaders import find_leader
from changeover.platform.locations import certificates_of
from changeover.platform.names import checked_addon_name, new_addon_name
from changeover.platform.progress import run_under_way
from changeover.platform.resolving import find_addon, visible_app_ids
from changeover.platform.scheduling import require_no_scheduler
from changeover.platform.scope import Scope
from changeover.platform.secrets import new_database_name, new_password, new_role_name
from changeover.platform.servers import choose_server, server_of
from changeover.runs.starting import cancel_run, start_run
from changeover.store import query
from changeover.store.rows import SCHEDULER, Addon, App, CredentialRow, Database, RunRow

OFFERED = {"follow"}
KNOWN = {"follow", "fork", "rollback", "to", "by", "version", "level", "high-availability", "from"}


async def addons_of(scope: Scope, app: App) -> Sequence[Addon]:
    return await query.rows(scope.db, Addon, "addons.of_app", app_id=app.id)


async def all_addons(scope: Scope) -> Sequence[Addon]:
    return await query.rows(scope.db, Addon, "addons.visible", apps=await visible_app_ids(scope))


async def create_addon(
    scope: Scope,
    app: App,
    *,
    plan_name: str,
    name: str | None = None,
    attachment_name: str | None = None,
    config: Mapping[str, Any] | None = None,
    confirm: str | None = None,
) -> Addon:
    """A new database, which a run creates after this returns. With `follow` in `config` it follows another one.

    A Scheduler is ready immediately. Raises NotFound (plan, leader), InvalidParams, NameTaken, NotFollowable, ForeignLeader,
    NotAvailable, HostFull, ConfirmationRequired, Forbidden. An error leaves nothing behind.
    """
    plan = scope.parts.catalogue.plan(plan_name, in_space=app.space_id is not None)
    if plan.service == SCHEDULER:
        return await _create_scheduler(
            scope, app, plan, name=name, attachment_name=attachment_name, config=config, confirm=confirm
        )
    options = _checked_options(config or {})
    _require_place(plan, app)
    leader = await find_leader(scope, app, plan, str(options["follow"])) if "follow" in options else None
    leader_server = await server_of(scope.db, leader.server_name) if leader else None
    addon_id = await add_row(scope, app, plan, name)
    server_name = await choose_server(scope, app, plan, leader_server)
    await _add_database(scope, addon_id, server_name, leader)
    addon = await find_addon(scope, str(addon_id))
    attached_as = await claim_name(scope, app, attachment_name, may_be_default=leader is None, confirm=confirm)
    await put_on(scope, addon, app, attached_as)
    await _start(scope, addon, "follow" if leader else "provision", "copy" if leader else "server", server=server_name,
                 leader_server=leader.server_name if leader else None)  # fmt: skip
    return addon


async def _create_scheduler(
    scope: Scope,
    app: App,
    plan: Plan,
    *,
    name: str | None,
    attachment_name: str | None,
    config: Mapping[str, Any] | None,
    confirm: str | None,
) -> Addon:
    """A Scheduler has no server to wait for, and gives its app no URL."""
    if config:
        raise InvalidParams(f"--{next(iter(config))} is not available.", why=f"{plan.full_name} takes no options.")
    await require_no_scheduler(scope, app)
    addon_id = await add_row(scope, app, plan, name)
    await query.execute(scope.db, "scheduler.add", addon_id=addon_id)
    await query.execute(scope.db, "addons.set_state", id=addon_id, state="provisioned")
    addon = await find_addon(scope, str(addon_id))
    attached_as = await claim_name(
        scope, app, attachment_name or SCHEDULER, may_be_default=False, confirm=confirm, has_url=False
    )
    await put_on(scope, addon, app, attached_as)
    return addon


def _checked_options(config: Mapping[str, Any]) -> dict[str, Any]:
    options = {key.replace("_", "-"): value for key, value in config.items()}
    for key, value in options.items():
        if key not in OFFERED:
            why = (
                "changeover does not support it yet."
                if key in KNOWN
                else f"The options are: {', '.join(sorted(OFFERED))}."
            )
            raise InvalidParams(f"--{key} is not available.", why=why, fix="Run the command again without it.")
        if value is True or not value:
            raise InvalidParams(f"--{key} needs a value.", fix=f"Give the database: --{key} DATABASE_URL.")
    return options


def _require_place(plan: Plan, app: App) -> None:
    if plan.tier.is_private and app.space_id is None:
        raise InvalidParams(
            f"The plan {plan.full_name} is only available in private spaces.",
            why=f"The app {app.name} runs in the Common Runtime.",
            fix="Choose an app in a space with --app, or create one with `changeover apps:create NAME --space SPACE`.",
        )
    if plan.tier.name == "shield" and not app.space_is_shield:
        raise InvalidParams(
            f"The plan {plan.full_name} is only available in Shield spaces.",
            why=f"{app.space_name} is not a Shield space.",
        )


async def add_row(scope: Scope, app: App, plan: Plan, name: str | None) -> UUID:
    """The id of a new, unprovisioned add-on with that name or a generated one. Raises NameTaken, InvalidParams."""
    wanted = checked_addon_name(name) if name else new_addon_name(plan.service)
    made = await query.values(scope.db, "addons.add", name=wanted, app_id=app.id, service=plan.service, plan=plan.name)
    if made:
        addon_id: UUID = made[0]
        return addon_id
    if name:
        raise NameTaken("add-on", name)
    return await add_row(scope, app, plan, None)


async def _add_database(scope: Scope, addon_id: UUID, server_name: str, leader: Database | None) -> None:
    """A follower has its leader's database name and roles."""
    await query.execute(
        scope.db, "databases.add",
        addon_id=addon_id, server_name=server_name, leader_id=leader.addon_id if leader else None,
        database_name=leader.database_name if leader else new_database_name(),
    )  # fmt: skip
    if leader:
        await query.execute(scope.db, "databases.copy_credentials", addon_id=addon_id, leader_id=leader.addon_id)
    else:
        await query.execute(
            scope.db, "databases.add_credential", addon_id=addon_id, name="default",
            user_name=new_role_name(), password=scope.parts.cipher.encrypt(new_password()),
        )  # fmt: skip


async def _start(scope: Scope, addon: Addon, kind: str, first_step: str, **given: Any) -> RunRow:
    run = await start_run(
        scope.db,
        kind=kind,
        first_step=first_step,
        subject=addon.name,
        app=addon,
        account_id=scope.caller.id,
        host=scope.parts.host,
        given={"addon_id": str(addon.id), "account_id": str(scope.caller.id), **given},
    )
    scope.started.append(run)
    return run


async def credential_names(scope: Scope, addon: Addon) -> list[str]:
    found = await query.rows(scope.db, CredentialRow, "databases.credentials", addon_id=addon.id)
    return [one.name for one in found]


async def rename_addon(scope: Scope, addon: Addon, name: str) -> Addon:
    """Raises NameTaken, InvalidParams, RunConflict while a run works on it."""
    checked_addon_name(name)
    under_way = await run_under_way(scope, addon.name)
    if under_way is not None:
        raise NotAvailable(
            f"{addon.name} can't be renamed now.", why=f"Run {under_way.id} ({under_way.kind}) is working on it.",
            fix="Wait for it to finish, then run the command again.",
        )  # fmt: skip
    if name != addon.name and await query.one(scope.db, Addon, "addons.find", key=name) is not None:
        raise NameTaken("add-on", name)
    await query.execute(scope.db, "addons.rename", id=addon.id, name=name)
    return await find_addon(scope, str(addon.id))


async def destroy_addon(scope: Scope, addon: Addon, *, force: bool = False) -> RunRow | None:
    """Detach it from its apps now, and start a run that removes process and data. `force` unfollows its followers.

    Returns None for one without a server of ours: an adopted database is only removed here and keeps running.

    Raises AttachedElsewhere and HasFollowers without `force`, RunConflict while another run works on it, NotFound.
    """
    await query.execute(scope.db, "addons.lock_for_destroying", id=addon.id)
    addon = await find_addon(scope, str(addon.id))  # re-read the row: a concurrent request may have started it
    under_way = await run_under_way(scope, addon.name)
    if addon.state == "deprovisioning" and under_way is not None:
        return under_way
    database = await query.one(scope.db, Database, "databases.find", addon_id=addon.id)
    if database is None:
        await take_off_all(scope, addon)
        await query.execute(scope.db, "addons.remove", id=addon.id)
        return None
    if not force:
        await _require_unused(scope, addon)
    if database.is_external:
        await _forget(scope, addon, database, under_way)
        return None
    if addon.state == "provisioning" and under_way is not None:
        cancelled = await cancel_run(scope.db, under_way.id)
        if cancelled is not None:
            await query.execute(scope.db, "addons.set_state", id=addon.id, state="deprovisioning")
            scope.started.append(cancelled)
            return cancelled
    await take_off_all(scope, addon)
    await query.execute(scope.db, "addons.set_state", id=addon.id, state="deprovisioning")
    leader = (
        await query.only(scope.db, Database, "databases.find", addon_id=database.leader_id)
        if database.leader_id
        else None
    )
    return await _start(
        scope, addon, "destroy", "free",
        server=database.server_name, leader_server=leader.server_name if leader else None,
    )  # fmt: skip


async def _forget(scope: Scope, addon: Addon, database: Database, under_way: RunRow | None) -> None:
    """Remove an adopted database. Does not contact its server. Raises RunConflict."""
    if under_way is not None:
        raise RunConflict(
            f"{addon.name} is busy.",
            why=f"A run is working on it: {under_way.kind}, step {under_way.step} (run {under_way.id}).",
            fix="Wait for it to finish (`changeover runs` shows its progress), then run the command again.",
        )
    await take_off_all(scope, addon)
    await query.execute(scope.db, "addons.remove", id=addon.id)
    await query.execute(scope.db, "databases.retire_server_if_unused", name=database.server_name)
    await query.execute(scope.db, "databases.remove_server", name=database.server_name)
    folder = certificates_of(scope.parts, database.server_name)
    scope.afterwards.append(functools.partial(shutil.rmtree, folder, ignore_errors=True))
    scope.warnings.append(
        f"{addon.name} was only removed from changeover: the database at {database.address}:{database.port} "
        "keeps its data and continues running."
    )


async def _require_unused(scope: Scope, addon: Addon, *, within: App | None = None) -> None:
    elsewhere = [one for one in await attachments_to(scope.db, addon.id) if one.app_id != addon.app_id]
    if elsewhere:
        lines = [f"changeover addons:detach {one.name} -a {one.app_name}" for one in elsewhere]
        raise AttachedElsewhere(
            f"{addon.name} is still attached to {', '.join(sorted({one.app_name for one in elsewhere}))}.",
            why="These apps would lose the database.",
            fix="Detach it there first:\n  " + "\n  ".join(lines) + "\nor destroy it anyway with --force.",
        )
    followers = await query.rows(scope.db, Database, "databases.followers", addon_id=addon.id)
    names = [one.addon_name for one in followers if within is None or one.app_id != within.id]
    if names:
        raise HasFollowers(
            f"{addon.name} has followers: {', '.join(names)}.",
            why="They would have no leader left.",
            fix=f"Unfollow them first (`changeover pg:unfollow {names[0]}`), or use --force, "
            "which makes each of them a standalone database.",
        )


async def addons_to_destroy_with(scope: Scope, app: App) -> list[list[Addon]]:
    """The app's add-ons in rounds: followers first, so that none has to be unfollowed.

    Raises AttachedElsewhere and HasFollowers if another app still uses one.
    """
    followers: list[Addon] = []
    others: list[Addon] = []
    for addon in await addons_of(scope, app):
        if addon.state != "deprovisioning":
            await _require_unused(scope, addon, within=app)
        database = await query.one(scope.db, Database, "databases.find", addon_id=addon.id)
        (followers if database is not None and database.leader_id else others).append(addon)
    return [followers, others]
