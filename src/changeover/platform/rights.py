"""Permissions: compares what a request needs with what its caller has. The only place that decides this.

Every route declares its needs in `api/rules.py`. The Scope contains them, and each lookup of an app, add-on, team or space
checks them here.
"""

from __future__ import annotations

from changeover.errors import Forbidden
from changeover.platform.needs import EVERYTHING, AppNeed, TeamNeed, held_by
from changeover.platform.scope import Scope
from changeover.store import query
from changeover.store.access_rows import Standing
from changeover.store.rows import App


async def permissions_on(scope: Scope, app_id: object) -> frozenset[str]:
    """The caller's permissions on an app. All for the operator and for a finishing run. None if the app is gone."""
    if scope.caller.is_operator or scope.is_finishing:
        return EVERYTHING
    standing = await _standing(scope, app_id)
    return held_by(standing) if standing is not None else frozenset()


async def _standing(scope: Scope, app_id: object) -> Standing | None:
    return await query.one(scope.db, Standing, "rights.standing", id=app_id, caller=scope.caller.id)


def needed(scope: Scope, needs: AppNeed | None = None) -> AppNeed:
    """`needs`, or else what the request's rule requires. Raises RuntimeError if the rule has no app permission."""
    found = needs or scope.needs.app
    if found is None:
        raise RuntimeError("the route looked up an app, but its rule requires no app permission")
    return found


async def may_access(scope: Scope, app_id: object, needs: AppNeed | None = None) -> bool:
    """Whether the caller has the needed permission on that app."""
    return bool(needed(scope, needs).any_of & await permissions_on(scope, app_id))


async def require(scope: Scope, app: App, needs: AppNeed | None = None) -> None:
    """Raises Forbidden unless the caller has the needed permission on that app."""
    wanted = needed(scope, needs)
    scope.about = scope.about or (app.id, app.name)
    held = await permissions_on(scope, app.id)
    if wanted.any_of & held:
        return
    fix = await remedy(scope, app, wanted)
    if not held:
        raise Forbidden(f"You do not have access to the app {app.name}.", fix=fix, resource="app")
    if wanted is AppNeed.OWN:
        raise Forbidden(
            f"Only the owner of {app.name} can do this.",
            why="Destroying, renaming and transferring an app need its owner, or an admin of its team.",
            fix=fix, resource="app",
        )  # fmt: skip
    raise Forbidden(
        f"You do not have the permission to do this on the app {app.name}.",
        why=f"It needs the permission {wanted.value}. You have {', '.join(sorted(held))}.",
        fix=fix, resource="app",
    )  # fmt: skip


async def remedy(scope: Scope, app: App, wanted: AppNeed) -> str:
    """Whom to ask, with the command that would allow the request for this caller."""
    standing = await _standing(scope, app.id)
    who, of_team = scope.caller.email, f", or an admin of the team {app.team_name}" if app.team_name else ""
    if standing is None or wanted is AppNeed.OWN:
        return f"Ask {app.owner_email}{of_team}."
    grant = ",".join(sorted(held_by(standing) | {"view", min(wanted.any_of)}))
    if standing.role == "viewer" and wanted is not AppNeed.VIEW:
        return (
            f"Ask an admin of the team {app.team_name}, because viewers have read access only: "
            f"`changeover members:set {who} --role member --team {app.team_name}`, "
            f"then `changeover access:{_verb(standing)} {who} -a {app.name} --permissions {grant}`."
        )
    to_grant = f"changeover access:{_verb(standing)} {who} -a {app.name} --permissions {grant}"
    if not app.team_id and not standing.is_collaborator:
        to_grant = f"changeover access:add {who} -a {app.name}"
    return f"Ask {app.owner_email}{of_team}: `{to_grant}`."


def _verb(standing: Standing) -> str:
    return "update" if standing.is_collaborator else "add"


def require_role(scope: Scope, role: str | None, team: str, what: str, needs: TeamNeed | None = None) -> None:
    """Raises Forbidden unless that role in `team` is sufficient. `what` is the team or its space, for the message."""
    wanted = needs or scope.needs.team
    if wanted is None:
        raise RuntimeError("the route looked up a team, but its rule requires no team role")
    if scope.caller.is_operator or role in wanted.roles:
        return
    kind = what.partition(" ")[0]
    verb, least = ("add" if role is None else "set"), wanted.roles[0] if wanted.roles[0] != "collaborator" else "viewer"
    fix = f"Ask an admin of the team: `changeover members:{verb} {scope.caller.email} --role {least} --team {team}`."
    if role is None:
        raise Forbidden(f"You do not have access to the {what}.", fix=fix, resource=kind)
    raise Forbidden(
        f"Your role in the team of the {what} does not allow this."
        if kind != "team"
        else f"Your role in the {what} does not allow this.",
        why=f"It needs the role {wanted.value}. Your role is {role}.",
        fix=fix, resource=kind,
    )  # fmt: skip
