"""Apps."""

from __future__ import annotations

import functools
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from changeover.api.addresses import desk_of
from changeover.api.bodies import Body, flag, named, required, text
from changeover.api.desk import opened
from changeover.api.moments import iso
from changeover.api.ranges import page
from changeover.api.views import Json, app_view, user_view
from changeover.errors import InvalidParams, NotFound
from changeover.platform import apps as platform
from changeover.platform.accounts import find_account
from changeover.platform.acts import AppChange, destroy_app, update_app
from changeover.platform.catalogue import stable_id
from changeover.platform.needs import AppNeed
from changeover.platform.scope import Scope
from changeover.platform.teams import find_team

router = APIRouter()


@router.get("/apps")
async def index(request: Request) -> JSONResponse:
    async with opened(request) as scope:
        return page(request, [app_view(scope.parts, app) for app in await platform.list_apps(scope, everything=True)])


@router.get("/users/{user}/apps")
async def of_user(request: Request, user: str) -> JSONResponse:
    async with opened(request) as scope:
        if user not in ("~", scope.caller.email, str(scope.caller.id)):
            raise NotFound("Couldn't find that user.", resource="account")
        return page(request, [app_view(scope.parts, app) for app in await platform.list_apps(scope)])


@router.post("/apps", status_code=201)
@router.post("/teams/apps", status_code=201)
async def create(request: Request, body: Body) -> Json:
    async with opened(request) as scope:
        app = await platform.create_app(
            scope,
            name=text("name", body.get("name")),
            region_name=named(body, "region"),
            stack=named(body, "stack"),
            space_key=named(body, "space"),
            team_key=named(body, "team"),
            is_locked=bool(flag(body, "locked")),
            is_internally_routed=bool(flag(body, "internal_routing")),
        )
        return app_view(scope.parts, app)


@router.get("/apps/{key}")
@router.get("/teams/apps/{key}")
async def show(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        return app_view(scope.parts, await platform.find_app(scope, key))


@router.patch("/apps/{key}")
async def update(request: Request, key: str, body: Body) -> Json:
    """`scheduler` is ours: false holds scheduled jobs together with maintenance mode, until it ends."""
    change = AppChange(
        name=text("name", body.get("name")), is_in_maintenance=flag(body, "maintenance"), runs_jobs=flag(body, "scheduler"),
        stack=named(body, "build_stack"),
    )  # fmt: skip
    app = await update_app(desk_of(request), functools.partial(opened, request), key, change)
    return app_view(desk_of(request).parts, app)


@router.patch("/teams/apps/{key}")
async def update_team_app(request: Request, key: str, body: Body) -> Json:
    """Locks an app, or transfers it to another account."""
    async with opened(request) as scope:
        owner = named(body, "owner")
        app = await platform.find_app(scope, key, AppNeed.OWN if owner else None)
        if owner:
            app = await platform.transfer_app(scope, app, owner)
        else:
            app = await platform.change_app(scope, app, is_locked=flag(body, "locked"))
        return app_view(scope.parts, app)


@router.delete("/apps/{key}")
async def destroy(request: Request, key: str) -> Json:
    """Destroys its databases first, followers before leaders. Refused while another app uses one of them."""
    app = await destroy_app(desk_of(request), functools.partial(opened, request), key)
    return app_view(desk_of(request).parts, app)


@router.get("/teams/{key}/apps")
async def of_team(request: Request, key: str) -> JSONResponse:
    async with opened(request) as scope:
        team = await find_team(scope, key)
        return page(request, [app_view(scope.parts, app) for app in await platform.team_apps(scope, team)])


@router.post("/account/app-transfers", status_code=201)
async def transfer(request: Request, body: Body) -> Json:
    """Accepted at once, because the operator needs no one's consent."""
    async with opened(request) as scope:
        app = await platform.find_app(scope, required(body, "app"))
        recipient = await find_account(scope.db, required(body, "recipient"))
        if recipient.id == app.owner_id:
            raise InvalidParams(f"{recipient.email} already owns {app.name}.")
        former = user_view(app.owner_id, app.owner_email)
        app = await platform.transfer_app(scope, app, recipient.email)
        return {
            "id": str(stable_id("transfer", str(app.id), str(recipient.id))),
            "app": {"id": str(app.id), "name": app.name},
            "created_at": iso(app.updated_at),
            "owner": former,
            "recipient": user_view(recipient.id, recipient.email),
            "state": "accepted",
            "updated_at": iso(app.updated_at),
        }


@router.get("/apps/{key}/pipeline-couplings")
async def coupling(request: Request, key: str) -> Response:
    async with opened(request) as scope:
        await platform.find_app(scope, key)
        raise NotFound("Couldn't find that pipeline coupling.", resource="pipeline-coupling")


async def _nothing_of(request: Request, key: str) -> list[Any]:
    async with opened(request) as scope:
        await _known(scope, key)
        return []


async def _known(scope: Scope, key: str) -> None:
    await platform.find_app(scope, key)


@router.get("/apps/{key}/features")
async def features(request: Request, key: str) -> list[Any]:
    return await _nothing_of(request, key)


@router.get("/apps/{key}/buildpack-installations")
async def buildpacks(request: Request, key: str) -> list[Any]:
    return await _nothing_of(request, key)
