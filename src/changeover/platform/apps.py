"""Apps: creating, finding, renaming, transferring. Permissions are in `rights.py`."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from changeover.errors import InvalidParams, NameTaken, NotFound
from changeover.platform.accounts import ensure_account, find_account
from changeover.platform.catalogue import DEFAULT_STACK
from changeover.platform.names import checked_app_name, new_app_name
from changeover.platform.needs import PERMISSIONS, AppNeed, TeamNeed
from changeover.platform.releases import release
from changeover.platform.rights import may_access, require
from changeover.platform.scope import Scope
from changeover.platform.spaces import find_space
from changeover.platform.teams import ensure_team, find_team
from changeover.store import query
from changeover.store.rows import Account, App, Collaborator, Team


async def list_apps(scope: Scope, *, everything: bool = False) -> Sequence[App]:
    """The apps that the caller may see. `everything` lists all apps for the operator."""
    return await query.rows(
        scope.db, App, "apps.visible",
        caller=scope.caller.id, is_operator=scope.caller.is_operator,
        everything=everything and scope.caller.is_operator,
    )  # fmt: skip


async def team_apps(scope: Scope, team: Team) -> Sequence[App]:
    """The team's apps that the caller may see."""
    apps = await query.rows(scope.db, App, "apps.of_team", team_id=team.id)
    return [app for app in apps if await may_access(scope, app.id, AppNeed.VIEW)]


async def find_app(scope: Scope, key: str, needs: AppNeed | None = None) -> App:
    """By name or id. Raises NotFound, and Forbidden unless the caller has `needs` on it (default: the request's rule)."""
    app = await query.one(scope.db, App, "apps.find", key=key)
    if app is None:
        raise NotFound("Couldn't find that app.", fix="`changeover apps` lists yours.", resource="app")
    await require(scope, app, needs)
    return app


async def create_app(
    scope: Scope,
    *,
    name: str | None = None,
    region_name: str | None = None,
    stack: str | None = None,
    space_key: str | None = None,
    team_key: str | None = None,
    is_locked: bool = False,
    is_internally_routed: bool = False,
) -> App:
    """A new app with its first release. In a space it gets the space's team and region. Raises NameTaken."""
    space = await find_space(scope, space_key) if space_key else None
    if space is not None:
        team: Team | None = await find_team(scope, str(space.team_id))
        region = space.region
    else:
        team = await ensure_team(scope, team_key) if team_key else None
        region = scope.parts.catalogue.region(region_name or scope.parts.catalogue.default_region).name
    values = {
        "owner_id": scope.caller.id, "team_id": team.id if team else None, "space_id": space.id if space else None,
        "region": region, "stack": scope.parts.catalogue.stack(stack or DEFAULT_STACK),
        "is_locked": is_locked, "is_internally_routed": is_internally_routed,
    }  # fmt: skip
    wanted = checked_app_name(name) if name else new_app_name()
    if not await query.values(scope.db, "apps.add", name=wanted, **values):
        if name:
            raise NameTaken("app", name)
        return await create_app(
            scope, region_name=region_name, stack=stack, space_key=space_key, team_key=team_key,
            is_locked=is_locked, is_internally_routed=is_internally_routed,
        )  # fmt: skip
    app = await find_app(scope, wanted)
    await release(scope, app.id, "Initial release")
    return await find_app(scope, wanted)


async def change_app(
    scope: Scope,
    app: App,
    *,
    name: str | None = None,
    is_in_maintenance: bool | None = None,
    is_locked: bool | None = None,
    stack: str | None = None,
) -> App:
    """Change what is given. Raises NameTaken, InvalidParams, and Forbidden for a change that the caller may not make."""
    if is_locked is not None:
        await require(scope, app, AppNeed.MANAGE)
    if name is not None and name != app.name:
        await require(scope, app, AppNeed.OWN)
        checked_app_name(name)
        if await query.one(scope.db, App, "apps.find", key=name):
            raise NameTaken("app", name)
    await query.execute(
        scope.db, "apps.change",
        id=app.id, name=name, is_in_maintenance=is_in_maintenance, is_locked=is_locked,
        stack=scope.parts.catalogue.stack(stack) if stack else None, owner_id=None,
    )  # fmt: skip
    return await find_app(scope, str(app.id))


async def transfer_app(scope: Scope, app: App, recipient: str) -> App:
    """Give it to another account immediately. A team's app can only go to a member of the team. Raises Forbidden, NotFound."""
    scope.resource = recipient
    await require(scope, app, AppNeed.OWN)
    to = await find_account(scope.db, recipient)
    await _require_in_team(scope, app, to)
    await query.execute(
        scope.db, "apps.change",
        id=app.id, name=None, is_in_maintenance=None, is_locked=None, stack=None, owner_id=to.id,
    )  # fmt: skip
    return await query.only(scope.db, App, "apps.find", key=str(app.id))


async def _require_in_team(scope: Scope, app: App, to: Account) -> None:
    """The new owner must have access to it. Raises InvalidParams."""
    if app.team_id is None:
        return
    team = await query.only(scope.db, Team, "teams.find", key=str(app.team_id), caller=to.id)
    if team.role not in TeamNeed.MEMBER.roles:
        raise InvalidParams(
            f"{app.name} can't be transferred to {to.email}.",
            why=f"It belongs to the team {team.name}, and {to.email} is not a member.",
            fix=f"Add them first: `changeover members:add {to.email} --role member --team {team.name}`.",
            resource="app",
        )


async def remove_app(scope: Scope, app: App) -> None:
    """Remove it with its dynos, code, config, releases and attachments. Its databases must already be gone."""
    await query.execute(scope.db, "apps.remove", id=app.id)
    folder = scope.parts.home / "apps" / str(app.id)
    if folder.exists():  # it had code, so it may have dynos
        await scope.parts.dynos.apply(str(app.id), [])
        await scope.parts.dynos.forget(str(app.id))
    scope.afterwards.append(functools.partial(scope.parts.logs.forget, str(app.id)))


async def collaborators(scope: Scope, app: App) -> Sequence[Collaborator]:
    """The owner first."""
    return await query.rows(scope.db, Collaborator, "apps.collaborators", id=app.id)


async def add_collaborator(scope: Scope, app: App, email: str, permissions: list[str]) -> Collaborator:
    """An unknown address gets an account, for which the operator then creates a token. Raises InvalidParams."""
    scope.resource = f"{email}: {', '.join(permissions) or 'no list'}"
    unknown = sorted(set(permissions) - set(PERMISSIONS))
    if unknown:
        raise InvalidParams(
            f"Unknown permission: {unknown[0]}.",
            why=f"The permissions are: {', '.join(PERMISSIONS)}.",
            resource="collaborator",
        )
    account = await ensure_account(scope.db, email)
    if account.id == app.owner_id:
        raise InvalidParams(f"{email} already owns {app.name}.", resource="collaborator")
    await query.execute(scope.db, "apps.collaborate", app_id=app.id, account_id=account.id, permissions=permissions)
    return await find_collaborator(scope, app, email)


async def join(scope: Scope, app: App) -> Collaborator:
    """Make the caller a collaborator of an app that they already see. Grants only `view`, even if the app is locked."""
    if app.owner_id != scope.caller.id:
        await query.execute(
            scope.db, "apps.collaborate_once", app_id=app.id, account_id=scope.caller.id, permissions=["view"]
        )
    return await find_collaborator(scope, app, scope.caller.email)


async def find_collaborator(scope: Scope, app: App, email_or_id: str) -> Collaborator:
    """Raises NotFound."""
    for found in await collaborators(scope, app):
        if email_or_id.lower() in (found.email.lower(), str(found.account_id), str(found.id)):
            return found
    raise NotFound("Couldn't find that collaborator.", resource="collaborator")


async def remove_collaborator(scope: Scope, app: App, email_or_id: str) -> Collaborator:
    """Raises NotFound, InvalidParams for the owner."""
    found = await find_collaborator(scope, app, email_or_id)
    if found.role == "owner":
        raise InvalidParams(f"{found.email} owns {app.name}: transfer it instead.", resource="collaborator")
    await query.execute(scope.db, "apps.stop_collaborating", app_id=app.id, account_id=found.account_id)
    return found
