"""Releases and rollback."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from changeover.api.bodies import Body, named
from changeover.api.desk import opened
from changeover.api.ranges import page
from changeover.api.views import Json, release_view
from changeover.errors import InvalidParams
from changeover.platform import releases as platform
from changeover.platform.apps import find_app

router = APIRouter()


@router.get("/apps/{app}/releases")
async def index(request: Request, app: str) -> JSONResponse:
    async with opened(request) as scope:
        found = await platform.list_releases(scope, await find_app(scope, app))
        return page(request, [release_view(request, one) for one in found], field="version")


@router.get("/apps/{app}/releases/{key}")
async def show(request: Request, app: str, key: str) -> Json:
    async with opened(request) as scope:
        return release_view(request, await platform.find_release(scope, await find_app(scope, app), key))


@router.post("/apps/{app}/releases", status_code=201)
async def roll_back(request: Request, app: str, body: Body) -> Json:
    release = named(body, "release")
    if not release:
        raise InvalidParams("The request must have the release to roll back to.")
    async with opened(request) as scope:
        return release_view(request, await platform.roll_back(scope, await find_app(scope, app), release))
