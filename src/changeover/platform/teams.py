"""Teams: who shares apps and spaces. An unknown team is made for the caller who names it."""

from __future__ import annotations

from collections.abc import Sequence

from changeover.errors import Forbidden, InvalidParams, NotFound
from changeover.platform.accounts import ensure_account, find_account
from changeover.platform.scope import Scope
from changeover.store import query
from changeover.store.rows import Member, Team

LONGEST_NAME = 60


async def list_teams(scope: Scope) -> Sequence[Team]:
    return await query.rows(scope.db, Team, "teams.of_account", caller=scope.caller.id)


async def find_team(scope: Scope, key: str) -> Team:
    """Raises NotFound, or Forbidden where the caller is no member."""
    team = await query.one(scope.db, Team, "teams.find", key=key, caller=scope.caller.id)
    if team is None:
        raise NotFound("Couldn't find that team.", resource="team")
    if team.role is None and not scope.caller.is_operator:
        raise Forbidden(f"You do not have access to the team {team.name}.", resource="team")
    return team


async def ensure_team(scope: Scope, name: str) -> Team:
    """The team, made with the caller as admin where there is none of that name. Raises Forbidden, InvalidParams."""
    if len(name) > LONGEST_NAME:
        raise InvalidParams("The name of the team is too long.", why=f"It may have {LONGEST_NAME} characters.")
    if await query.execute(scope.db, "teams.add", name=name):
        made = await query.only(scope.db, Team, "teams.find", key=name, caller=scope.caller.id)
        await query.execute(scope.db, "teams.join", team_id=made.id, account_id=scope.caller.id, role="admin")
    return await find_team(scope, name)


async def members(scope: Scope, team: Team) -> Sequence[Member]:
    return await query.rows(scope.db, Member, "teams.members", team_id=team.id)


async def set_member(scope: Scope, team: Team, email: str, role: str) -> None:
    _require_admin(scope, team)
    account = await ensure_account(scope.db, email)
    await query.execute(scope.db, "teams.join", team_id=team.id, account_id=account.id, role=role)


async def remove_member(scope: Scope, team: Team, email: str) -> None:
    """Raises NotFound for somebody unknown."""
    _require_admin(scope, team)
    account = await find_account(scope.db, email)
    if not await query.execute(scope.db, "teams.leave", team_id=team.id, account_id=account.id):
        raise NotFound("Couldn't find that member.", resource="member")


def _require_admin(scope: Scope, team: Team) -> None:
    if team.role != "admin" and not scope.caller.is_operator:
        raise Forbidden(f"Only an admin of the team {team.name} may do that.", resource="team")
