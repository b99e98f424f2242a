"""Private spaces."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from changeover.api.bodies import Body, flag, named, required, text
from changeover.api.desk import opened
from changeover.api.moments import iso
from changeover.api.views import Json, space_view
from changeover.platform import spaces as platform
from changeover.platform.rights import may_access

router = APIRouter(prefix="/spaces")


@router.get("")
async def index(request: Request) -> list[Json]:
    async with opened(request) as scope:
        return [space_view(scope, space) for space in await platform.list_spaces(scope)]


@router.post("", status_code=201)
async def create(request: Request, body: Body) -> Json:
    async with opened(request) as scope:
        space = await platform.create_space(
            scope,
            name=required(body, "name"),
            team_name=required(body, "team"),
            region_name=named(body, "region"),
            is_shield=bool(flag(body, "shield")),
            cidr=text("cidr", body.get("cidr")),
            data_cidr=text("data_cidr", body.get("data_cidr")),
        )
        return space_view(scope, space)


@router.get("/{key}")
async def show(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        return space_view(scope, await platform.find_space(scope, key))


@router.patch("/{key}")
async def rename(request: Request, key: str, body: Body) -> Json:
    async with opened(request) as scope:
        space = await platform.find_space(scope, key)
        return space_view(scope, await platform.rename_space(scope, space, required(body, "name")))


@router.delete("/{key}")
async def destroy(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        space = await platform.find_space(scope, key)
        await platform.destroy_space(scope, space)
        return {**space_view(scope, space), "state": "deleting"}


@router.get("/{key}/nat")
async def nat(request: Request, key: str) -> Json:
    """On one host, spaces have no outbound addresses of their own. They use the host's address."""
    async with opened(request) as scope:
        space = await platform.find_space(scope, key)
        return {
            "created_at": iso(space.created_at), "sources": [], "state": "disabled", "updated_at": iso(space.updated_at),
        }  # fmt: skip


@router.get("/{key}/dynos")
async def dynos(request: Request, key: str) -> list[Any]:
    async with opened(request) as scope:
        space = await platform.find_space(scope, key)
        apps = [app for app in await platform.apps_in(scope, space) if await may_access(scope, app.id)]
        return [{"app_id": str(app.id), "app_name": app.name, "dynos": []} for app in apps]
