"""Teams and their members."""

from __future__ import annotations

from fastapi import APIRouter, Request

from changeover.api.bodies import Body, required, text
from changeover.api.desk import opened
from changeover.api.moments import iso
from changeover.api.views import Json, team_view, user_view
from changeover.errors import InvalidParams
from changeover.platform import teams as platform
from changeover.platform.catalogue import stable_id
from changeover.platform.things import Member

router = APIRouter(prefix="/teams")
ROLES = ("admin", "member", "viewer", "collaborator")


def member_view(member: Member) -> Json:
    return {
        "id": str(member.account_id),
        "created_at": iso(member.created_at),
        "email": member.email,
        "federated": False,
        "identity_provider": None,
        "role": member.role,
        "two_factor_authentication": False,
        "updated_at": iso(member.updated_at),
        "user": {**user_view(member.account_id, member.email), "name": None},
    }


@router.get("")
async def index(request: Request) -> list[Json]:
    async with opened(request) as scope:
        return [team_view(team) for team in await platform.list_teams(scope)]


@router.post("", status_code=201)
async def create(request: Request, body: Body) -> Json:
    async with opened(request) as scope:
        return team_view(await platform.ensure_team(scope, required(body, "name")))


@router.get("/{key}")
async def show(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        return team_view(await platform.find_team(scope, key))


@router.get("/{key}/members")
async def members(request: Request, key: str) -> list[Json]:
    async with opened(request) as scope:
        return [member_view(one) for one in await platform.members(scope, await platform.find_team(scope, key))]


@router.put("/{key}/members")
@router.patch("/{key}/members")
async def set_member(request: Request, key: str, body: Body) -> Json:
    role = text("role", body.get("role")) or "member"
    if role not in ROLES:
        raise InvalidParams(f"Role {role} does not exist.", why=f"The roles are: {', '.join(ROLES)}.")
    async with opened(request) as scope:
        team = await platform.find_team(scope, key)
        email = required(body, "email")
        await platform.set_member(scope, team, email, role, is_new=request.method == "PUT")
        [found] = [one for one in await platform.members(scope, team) if one.email.lower() == email.lower()]
        return member_view(found)


@router.delete("/{key}/members/{email}")
async def remove_member(request: Request, key: str, email: str) -> Json:
    async with opened(request) as scope:
        await platform.remove_member(scope, await platform.find_team(scope, key), email)
        return {}


@router.get("/{key}/features")
async def features(request: Request, key: str) -> list[Json]:
    """Makes the official CLI send the permissions of `access:add`."""
    async with opened(request) as scope:
        team = await platform.find_team(scope, key)
        return [
            {
                "id": str(stable_id("team-feature", str(team.id), "org-access-controls")),
                "created_at": iso(team.created_at),
                "description": "Permissions on individual apps",
                "display_name": "App permissions",
                "doc_url": None,
                "enabled": True,
                "feedback_email": None,
                "name": "org-access-controls",
                "state": "general",
                "updated_at": iso(team.updated_at),
            }
        ]
