"""Resolves what a user typed to the add-on or attachment that it means (contract: names, ids, config vars, URLs)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from changeover.errors import Forbidden, MultipleMatches, NotFound
from changeover.platform.apps import find_app, list_apps
from changeover.platform.attachments import attachments_to
from changeover.platform.environment import attachments_of
from changeover.platform.needs import AppNeed, TokenNeed
from changeover.platform.progress import failure_of
from changeover.platform.rights import may_access, needed, remedy
from changeover.platform.scope import Scope
from changeover.store import query
from changeover.store.rows import Addon, App, Attachment

NO_ADDON = "Couldn't find that add-on."
NO_ATTACHMENT = "Couldn't find that add on attachment."


def split_app(key: str, app: str | None) -> tuple[str, str | None]:
    """`app::NAME` includes the app's name."""
    if "::" in key:
        named, _, rest = key.partition("::")
        return rest, named
    return key, app


async def resolve_attachments(scope: Scope, key: str, app_key: str | None) -> Sequence[Attachment]:
    """All attachments of the best kind of match: name, config var or id, otherwise the add-on's. Raises NotFound."""
    key, app_key = split_app(key, app_key)
    if app_key is None:
        found = await query.one(scope.db, Attachment, "attachments.by_id", key=key)
        if found is not None and await may_access(scope, found.app_id):
            return [found]
        raise NotFound(NO_ATTACHMENT, resource="add_on attachment")
    app = await find_app(scope, app_key)
    direct = await query.one(scope.db, Attachment, "attachments.find_in_app", app_id=app.id, key=key)
    if direct is not None:
        return [direct]
    of_addon = await query.rows(scope.db, Attachment, "attachments.of_addon_in_app", app_id=app.id, key=key)
    if of_addon:
        return of_addon
    raise NotFound(
        NO_ATTACHMENT,
        why=await _why_it_is_gone(scope, key),
        fix=f"`changeover addons -a {app.name}` lists them.",
        resource="add_on attachment",
    )


async def resolve_addons(scope: Scope, key: str, app_key: str | None) -> Sequence[Addon]:
    """First in the app, then globally by exact name or id among those that the caller may see. Raises NotFound."""
    key, app_key = split_app(key, app_key)
    if app_key is not None:
        app = await find_app(scope, app_key)
        found = await query.rows(scope.db, Addon, "addons.attached_as", app_id=app.id, key=key) or await query.rows(
            scope.db, Addon, "addons.of_service", app_id=app.id, service=key
        )
        if found:
            for addon in found:
                await _require_addon(scope, addon)
            return found
    return [await find_addon(scope, key)]


async def resolve_addon(scope: Scope, key: str, app_key: str | None) -> Addon:
    """The single match. Raises NotFound, MultipleMatches."""
    found = await resolve_addons(scope, key, app_key)
    if len(found) > 1:
        names = ", ".join(addon.name for addon in found)
        raise MultipleMatches(
            f"Ambiguous identifier; multiple matching add-ons found: {names}.", fix="Use the exact name."
        )
    return found[0]


async def find_addon(scope: Scope, key: str, needs: AppNeed | None = None) -> Addon:
    """By its own name or id. Raises NotFound (with the reason if provisioning failed), and Forbidden as `find_app`."""
    addon = await query.one(scope.db, Addon, "addons.find", key=key)
    if addon is None:
        raise NotFound(NO_ADDON, why=await _why_it_is_gone(scope, key), resource="add_on")
    await _require_addon(scope, addon, needs)
    return addon


async def _require_addon(scope: Scope, addon: Addon, needs: AppNeed | None = None) -> None:
    scope.about = scope.about or (addon.app_id, addon.app_name)
    scope.resource = scope.resource or addon.name
    if await may_use_addon(scope, addon, needs):
        return
    wanted = needed(scope, needs)
    owner = await query.only(scope.db, App, "apps.find", key=str(addon.app_id))
    if not await may_use_addon(scope, addon, AppNeed.VIEW):
        raise Forbidden(
            f"You do not have access to the add-on {addon.name}.", fix=await remedy(scope, owner, wanted),
            resource="add_on",
        )  # fmt: skip
    raise Forbidden(
        f"You do not have the permission to do this with {addon.name}.",
        why=f"It needs the permission {wanted.value} on the app that owns the add-on, {addon.app_name}.",
        fix=await remedy(scope, owner, wanted),
        resource="add_on",
    )


async def addon_in_app(scope: Scope, app: App, key: str) -> Addon:
    """An add-on that the app owns or has attached. Raises NotFound."""
    addon = await resolve_addon(scope, key, app.name)
    attached = {one.addon_id for one in await attachments_of(scope.db, app.id)}
    if addon.app_id != app.id and addon.id not in attached:
        raise NotFound(NO_ADDON, resource="add_on")
    return addon


async def may_use_addon(scope: Scope, addon: Addon, needs: AppNeed | None = None) -> bool:
    """Whether the caller has the needed permission on the app that owns it.

    To see it, or the secrets that its attachment gives an app, access to an app that has it attached is sufficient.
    """
    if await may_access(scope, addon.app_id, needs):
        return True
    if needed(scope, needs) not in (AppNeed.VIEW, AppNeed.CONFIG):
        return False
    for attachment in await attachments_to(scope.db, addon.id):
        if await may_access(scope, attachment.app_id, needs):
            return True
    return False


async def may_read_secrets(scope: Scope, addon: Addon) -> bool:
    """Whether the response may contain the add-on's passwords: neither the caller nor the token is view-only."""
    return TokenNeed.READ_PROTECTED in scope.grants and await may_use_addon(scope, addon, AppNeed.CONFIG)


async def visible_app_ids(scope: Scope) -> list[UUID]:
    return [app.id for app in await list_apps(scope, everything=True)]


async def _why_it_is_gone(scope: Scope, key: str) -> str:
    error = await failure_of(scope, key)
    return f"Its provisioning failed: {error['message']}" if error else ""


async def visible_attachments(scope: Scope, app_ids: list[UUID]) -> Sequence[Attachment]:
    """The attachments of these apps, and those to add-ons that they own."""
    return await query.rows(scope.db, Attachment, "attachments.of_apps", apps=app_ids)
