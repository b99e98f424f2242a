"""Collaborators of an app."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from changeover.api.bodies import Body, required
from changeover.api.desk import opened
from changeover.api.views import Json, collaborator_view
from changeover.errors import InvalidParams
from changeover.platform import apps as platform
from changeover.platform.needs import PERMISSIONS, AppNeed
from changeover.platform.scope import Scope

router = APIRouter()


def permissions_in(body: dict[str, Any]) -> list[str]:
    """Raises InvalidParams."""
    found = body.get("permissions") or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise InvalidParams("permissions must be a list of strings.")
    return found


@router.get("/apps/{app}/collaborators")
@router.get("/teams/apps/{app}/collaborators")
async def index(request: Request, app: str) -> list[Json]:
    async with opened(request) as scope:
        found = await platform.find_app(scope, app)
        return [collaborator_view(found, one) for one in await platform.collaborators(scope, found)]


@router.post("/apps/{app}/collaborators", status_code=201)
@router.post("/teams/apps/{app}/collaborators", status_code=201)
async def add(request: Request, app: str, body: Body) -> Json:
    async with opened(request) as scope:
        user = required(body, "user")
        if _is_caller(scope, user) and not body.get("permissions"):
            found = await platform.find_app(scope, app, AppNeed.VIEW)
            return collaborator_view(found, await platform.join(scope, found))
        found = await platform.find_app(scope, app)
        made = await platform.add_collaborator(scope, found, user, permissions_in(body))
        return collaborator_view(found, made)


@router.patch("/teams/apps/{app}/collaborators/{user}")
async def update(request: Request, app: str, user: str, body: Body) -> Json:
    async with opened(request) as scope:
        found = await platform.find_app(scope, app)
        known = await platform.find_collaborator(scope, found, user)
        changed = await platform.add_collaborator(scope, found, known.email, permissions_in(body))
        return collaborator_view(found, changed)


@router.delete("/apps/{app}/collaborators/{user}")
async def remove(request: Request, app: str, user: str) -> Json:
    async with opened(request) as scope:
        found = await platform.find_app(scope, app, AppNeed.VIEW if _is_caller(scope, user) else None)
        return collaborator_view(found, await platform.remove_collaborator(scope, found, user))


def _is_caller(scope: Scope, user: str) -> bool:
    """Joining or leaving an app only requires the permission to see it."""
    return user.lower() in (scope.caller.email.lower(), str(scope.caller.id))


@router.get("/teams/permissions")
async def permissions(request: Request) -> list[Json]:
    async with opened(request):
        return [{"name": name, "description": name} for name in PERMISSIONS]
