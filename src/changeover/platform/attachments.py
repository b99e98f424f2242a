"""Attachments name an add-on inside an app: `DATABASE` gives the config var `DATABASE_URL`.

Each attach and detach makes a release. Replacing an attachment is one transaction, so the app is never without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from changeover.errors import (
    ConfirmationRequired,
    ConfirmationWrong,
    InvalidParams,
    NameTaken,
    NotAvailable,
    NotFound,
)
from changeover.platform.environment import POOLING_NAMESPACE, attachments_of, database_url, own_config
from changeover.platform.names import checked_attachment_name, free_attachment_name
from changeover.platform.pooling import ensure_pooler, is_pooled
from changeover.platform.releases import release
from changeover.platform.scope import Scope
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import SCHEDULER, Addon, App, Attachment, Database

POOL_SUFFIX = "_CONNECTION_POOL"


async def attachments_to(db: Db, addon_id: UUID) -> Sequence[Attachment]:
    """An add-on's attachments to all apps."""
    return await query.rows(db, Attachment, "attachments.of_addon", addon_id=addon_id)


async def find_attachment(db: Db, app: App, key: str) -> Attachment:
    """By name, config var or id. Raises NotFound."""
    found = await query.one(db, Attachment, "attachments.find_in_app", app_id=app.id, key=key)
    if found is None:
        raise NotFound(
            "Couldn't find that add on attachment.",
            fix=f"`changeover addons -a {app.name}` lists them.",
            resource="add_on attachment",
        )
    return found


async def attach(
    scope: Scope,
    addon: Addon,
    app: App,
    *,
    name: str | None = None,
    namespace: str | None = None,
    confirm: str | None = None,
) -> Attachment:
    """Attach an available add-on to an app. Without a name, one is generated. Replaces an existing name with `confirm`.

    Raises ConfirmationRequired, ConfirmationWrong, NotAvailable, NotFound (credential), InvalidParams (name), and for a
    pooled one what `ensure_pooler` raises.
    """
    if addon.state != "provisioned":
        raise NotAvailable(
            f"{addon.name} can't be attached now.",
            why=f"It is {addon.state}, so the app would get a URL without a server.",
            fix=f"Wait for it: `changeover pg:wait {addon.name} -a {addon.app_name}`.",
        )
    if addon.service == SCHEDULER:
        raise InvalidParams(
            f"{addon.name} can't be attached to other apps or under other names.",
            why=f"Its jobs run on {addon.app_name}, and it has no URL.",
            fix=f"Create one for each app: `changeover addons:create {SCHEDULER} -a {app.name}`.",
        )
    if is_pooled(namespace):
        await ensure_pooler(scope, addon)
    database = await query.only(scope.db, Database, "databases.find", addon_id=addon.id)
    await database_url(scope.db, scope.parts.cipher, database, namespace)
    wanted = await claim_name(scope, app, name, may_be_default=False, confirm=confirm)
    return await put_on(scope, addon, app, wanted, namespace)


async def attach_pooled(scope: Scope, addon: Addon, app: App, *, name: str | None = None) -> Attachment:
    """Give the app a URL that goes through the database's pooler. Repeating it changes nothing.

    The default name is derived from the app's own attachment: `DATABASE_CONNECTION_POOL`. Raises NameTaken, and as `attach`.
    """
    mine = await attachments_of(scope.db, app.id)
    direct = [one.name for one in mine if one.addon_id == addon.id and one.namespace is None]
    stem = "DATABASE" if "DATABASE" in direct or not direct else direct[0]
    wanted = checked_attachment_name(name or f"{stem}{POOL_SUFFIX}")
    existing = next((one for one in mine if one.name == wanted), None)
    if existing is not None and (existing.addon_id, existing.namespace) != (addon.id, POOLING_NAMESPACE):
        raise NameTaken("attachment", wanted, "Choose another name with --as.")
    return existing or await attach(scope, addon, app, name=wanted, namespace=POOLING_NAMESPACE)


async def claim_name(
    scope: Scope, app: App, name: str | None, *, may_be_default: bool, confirm: str | None, has_url: bool = True
) -> str:
    """A free name for a new attachment: the given one (its holder is detached once confirmed), or a generated one.

    With `has_url`, the app must not have a config var with the URL's name. Holds the app's row lock until the transaction
    ends. Raises as `attach` does.
    """
    await query.values(scope.db, "apps.lock", id=app.id)
    existing = {one.name: one for one in await attachments_of(scope.db, app.id)}
    wanted = (
        checked_attachment_name(name) if name else free_attachment_name(set(existing), may_be_default=may_be_default)
    )
    if has_url:
        await _require_no_own_config(scope, app, wanted)
    _require_confirmation(app, wanted, existing.get(wanted), confirm)
    if wanted in existing:
        await _take_off(scope, existing[wanted], is_replaced=True)
    return wanted


async def put_on(scope: Scope, addon: Addon, app: App, name: str, namespace: str | None = None) -> Attachment:
    """Add the row and make a release. The caller has ensured that the name is free."""
    [made] = await query.values(
        scope.db, "attachments.add", app_id=app.id, addon_id=addon.id, name=name, namespace=namespace
    )
    await release(scope, app.id, f"Attach {name} (@ref:{addon.name})")
    return await query.only(scope.db, Attachment, "attachments.by_id", key=made)


async def detach(scope: Scope, attachment: Attachment) -> None:
    """Detach it from its app. Raises InvalidParams for the owner's last attachment, which only destroying removes."""
    others = [one for one in await attachments_to(scope.db, attachment.addon_id) if one.id != attachment.id]
    if attachment.app_id == attachment.addon_app_id and not any(one.app_id == attachment.app_id for one in others):
        raise InvalidParams(
            f"Can't detach {attachment.name}, the last attachment of {attachment.addon_name} on its own app.",
            why="Its owner could no longer reach it by any name.",
            fix=f"Destroy it (`changeover addons:destroy {attachment.addon_name} -a {attachment.app_name}`), "
            "or attach it under another name first.",
        )
    await _take_off(scope, attachment)


async def take_off_all(scope: Scope, addon: Addon) -> None:
    """Detach an add-on that is being removed everywhere."""
    for attachment in await attachments_to(scope.db, addon.id):
        await _take_off(scope, attachment)


async def _take_off(scope: Scope, attachment: Attachment, *, is_replaced: bool = False) -> None:
    await query.execute(scope.db, "attachments.remove", id=attachment.id)
    description = f"Detach {attachment.name} (@ref:{attachment.addon_name})"
    await release(scope, attachment.app_id, description, is_superseded=is_replaced)


async def _require_no_own_config(scope: Scope, app: App, name: str) -> None:
    own = await own_config(scope.db, scope.parts.cipher, app.id)
    if f"{name}_URL" in own:
        raise InvalidParams(
            f"{app.name} already has a config var {name}_URL.",
            why="The attachment would hide it.",
            fix=f"Unset it first (`changeover config:unset {name}_URL -a {app.name}`), or choose another name with --as.",
        )


def _require_confirmation(app: App, name: str, existing: Attachment | None, confirm: str | None) -> None:
    if existing is None:
        return
    if confirm is None:
        raise ConfirmationRequired(
            f"Adding {name} to {app.name} will overwrite the existing attachment {name} ({existing.addon_name})."
        )
    if confirm != app.name:
        raise ConfirmationWrong(confirm, app.name)
