"""Teams, which share apps and spaces. An unknown team is created for the caller who uses its name."""

from __future__ import annotations

from collections.abc import Sequence

from changeover.errors import InvalidParams, NotFound
from changeover.platform.accounts import ensure_account, find_account
from changeover.platform.names import checked_team_name
from changeover.platform.needs import TeamNeed
from changeover.platform.rights import require_role
from changeover.platform.scope import Scope
from changeover.store import query
from changeover.store.rows import Account, Member, Team


async def list_teams(scope: Scope) -> Sequence[Team]:
    return await query.rows(scope.db, Team, "teams.of_account", caller=scope.caller.id)


async def find_team(scope: Scope, key: str, needs: TeamNeed | None = None) -> Team:
    """Raises NotFound, and Forbidden unless the caller's role meets `needs` or the request's rule."""
    team = await query.one(scope.db, Team, "teams.find", key=key, caller=scope.caller.id)
    if team is None:
        raise NotFound("Couldn't find that team.", resource="team")
    require_role(scope, team.role, team.name, f"team {team.name}", needs)
    return team


async def ensure_team(scope: Scope, name: str) -> Team:
    """The team, created with the caller as admin if it does not exist. Raises Forbidden, InvalidParams."""
    known = await query.one(scope.db, Team, "teams.find", key=name, caller=scope.caller.id)
    if known is None and await query.execute(scope.db, "teams.add", name=checked_team_name(name)):
        made = await query.only(scope.db, Team, "teams.find", key=name, caller=scope.caller.id)
        await query.execute(scope.db, "teams.join", team_id=made.id, account_id=scope.caller.id, role="admin")
    return await find_team(scope, name)


async def members(scope: Scope, team: Team) -> Sequence[Member]:
    return await query.rows(scope.db, Member, "teams.members", team_id=team.id)


async def set_member(scope: Scope, team: Team, email: str, role: str, *, is_new: bool = True) -> None:
    """Raises InvalidParams for the last admin or an invalid address, and NotFound unless `is_new` or a member."""
    scope.resource = f"{email}: {role} of {team.name}"
    if not is_new and email.lower() not in {one.email.lower() for one in await members(scope, team)}:
        raise NotFound(
            f"{email[:100]} is not a member of the team {team.name}.",
            fix=f"Add them: `changeover members:add {email[:100]} --role {role} --team {team.name}`.",
            resource="member",
        )
    account = await ensure_account(scope.db, email)
    if role != "admin":
        await _require_another_admin(scope, team, account)
    await query.execute(scope.db, "teams.join", team_id=team.id, account_id=account.id, role=role)


async def remove_member(scope: Scope, team: Team, email: str) -> None:
    """Remove them from the team and all its apps. Raises NotFound if not a member, InvalidParams for the last admin."""
    scope.resource = f"{email} of {team.name}"
    account = await find_account(scope.db, email)
    await _require_another_admin(scope, team, account)
    await query.execute(scope.db, "teams.leave_apps", team_id=team.id, account_id=account.id)
    if not await query.execute(scope.db, "teams.leave", team_id=team.id, account_id=account.id):
        raise NotFound("Couldn't find that member.", resource="member")


async def _require_another_admin(scope: Scope, team: Team, account: Account) -> None:
    """Locks the team's members until the transaction ends. Raises InvalidParams."""
    await query.execute(scope.db, "teams.lock", team_id=team.id)
    admins = [one.account_id for one in await members(scope, team) if one.role == "admin"]
    if admins == [account.id]:
        raise InvalidParams(
            f"{account.email} is the last admin of the team {team.name}.",
            why="A team needs an admin: without one, only the operator could manage it.",
            fix=f"Make another member an admin first: `changeover members:set EMAIL --role admin --team {team.name}`.",
            resource="team",
        )
