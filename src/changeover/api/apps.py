"""Apps."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from changeover.api.addresses import desk_of
from changeover.api.bodies import Body, flag, named, required, text
from changeover.api.desk import opened
from changeover.api.moments import iso
from changeover.api.ranges import page
from changeover.api.views import Json, app_view, user_view
from changeover.errors import InvalidParams, NotAvailable, NotFound
from changeover.platform import apps as platform
from changeover.platform.accounts import find_account
from changeover.platform.addons import addons_to_destroy_with, destroy_addon
from changeover.platform.booting import is_left_behind, serving_versions
from changeover.platform.catalogue import stable_id
from changeover.platform.needs import AppNeed
from changeover.platform.releases import releases_reaching_dynos
from changeover.platform.routing import Pages, fetch_pages, set_maintenance
from changeover.platform.scheduling import follow_maintenance
from changeover.platform.scope import Scope
from changeover.platform.teams import find_team
from changeover.platform.things import Addon, App

router = APIRouter()
RESTART_S = 45.0
"""How long the end of maintenance mode waits for dynos: less than our client's patience."""


@router.get("/apps")
async def index(request: Request) -> JSONResponse:
    async with opened(request) as scope:
        return page(request, [app_view(scope, app) for app in await platform.list_apps(scope, everything=True)])


@router.get("/users/{user}/apps")
async def of_user(request: Request, user: str) -> JSONResponse:
    async with opened(request) as scope:
        if user not in ("~", scope.caller.email, str(scope.caller.id)):
            raise NotFound("Couldn't find that user.", resource="account")
        return page(request, [app_view(scope, app) for app in await platform.list_apps(scope)])


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
        return app_view(scope, app)


@router.get("/apps/{key}")
@router.get("/teams/apps/{key}")
async def show(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        return app_view(scope, await platform.find_app(scope, key))


@router.patch("/apps/{key}")
async def update(request: Request, key: str, body: Body) -> Json:
    """`scheduler` is ours: false holds scheduled jobs with maintenance mode, until it ends."""
    runs_jobs = flag(body, "scheduler")
    if flag(body, "maintenance") is False:
        await _stay_for_releases(request, key)
    async with opened(request) as scope:
        name = text("name", body.get("name"))
        app = await platform.find_app(scope, key, AppNeed.OWN if name not in (None, key) else None)
        pages = await fetch_pages(scope, app) if flag(body, "maintenance") else Pages()
        app = await platform.change_app(
            scope,
            app,
            name=name,
            is_in_maintenance=flag(body, "maintenance"),
            stack=named(body, "build_stack"),
        )
        if "maintenance" in body or runs_jobs is not None:
            await follow_maintenance(scope, app, runs_jobs)
        if "maintenance" in body:
            set_maintenance(scope, app, on=app.is_in_maintenance, pages=pages)
        return app_view(scope, app)


async def _stay_for_releases(request: Request, key: str) -> None:
    """Maintenance mode ends when no dyno of a former release can answer: it would write to a database left by pg:promote."""
    async with opened(request, only_looks=True) as scope:
        app = await platform.find_app(scope, key)
        runs = await releases_reaching_dynos(scope, app) if app.is_in_maintenance else []
    for run in runs:
        if not await desk_of(request).stay_for_end(run, most_s=RESTART_S):
            raise NotAvailable(
                f"{app.name} is still in maintenance mode.",
                why=f"Its dynos are still being restarted for {run.subject}; the former ones use the former config.",
                fix=f"Wait for them (`changeover ps:wait -a {app.name}`), then repeat the command.",
            )
    async with opened(request, only_looks=True) as scope:
        await _require_present_databases(scope, app)


async def _require_present_databases(scope: Scope, app: App) -> None:
    """A release may have failed meanwhile, so that dynos of a former one are back. Raises NotAvailable."""
    serving = await serving_versions(scope.db, app.id) if app.is_in_maintenance else set()
    if await is_left_behind(scope.db, scope.parts.cipher, app.id, serving):
        raise NotAvailable(
            f"{app.name} is still in maintenance mode.",
            why=f"A web dyno still runs release v{min(serving)}, from before a database moved: "
            "requests would reach the former database.",
            fix=f"See what failed (`changeover releases -a {app.name}`), correct it and deploy again. "
            "Or promote the former database again.",
        )


@router.patch("/teams/apps/{key}")
async def update_team_app(request: Request, key: str, body: Body) -> Json:
    """Locking, and handing over to another account."""
    async with opened(request) as scope:
        owner = named(body, "owner")
        app = await platform.find_app(scope, key, AppNeed.OWN if owner else None)
        if owner:
            app = await platform.transfer_app(scope, app, owner)
        else:
            app = await platform.change_app(scope, app, is_locked=flag(body, "locked"))
        return app_view(scope, app)


@router.delete("/apps/{key}")
async def destroy(request: Request, key: str) -> Json:
    """Its databases first, followers before leaders. Refused while another app uses one of them."""
    async with opened(request, only_looks=True) as scope:
        app = await platform.find_app(scope, key)
        view = app_view(scope, app)
        rounds = await addons_to_destroy_with(scope, app)
    for addons in rounds:
        await _destroy_all(request, app, addons)
    async with opened(request) as scope:
        await platform.remove_app(scope, await platform.find_app(scope, str(app.id)))
    return view


async def _destroy_all(request: Request, app: App, addons: list[Addon]) -> None:
    async with opened(request) as scope:
        runs = [await destroy_addon(scope, addon, force=True) for addon in addons]
    for run in runs:
        if run is not None and not await desk_of(request).stay_for_removal(run):
            raise NotAvailable(
                f"{app.name} is not destroyed yet.",
                why=f"Its database {run.subject} is still being destroyed.",
                fix="Repeat the command in a moment.",
            )


@router.get("/teams/{key}/apps")
async def of_team(request: Request, key: str) -> JSONResponse:
    async with opened(request) as scope:
        team = await find_team(scope, key)
        return page(request, [app_view(scope, app) for app in await platform.team_apps(scope, team)])


@router.post("/account/app-transfers", status_code=201)
async def transfer(request: Request, body: Body) -> Json:
    """Accepted at once: the owner of an installation needs nobody's consent."""
    async with opened(request) as scope:
        app = await platform.find_app(scope, required(body, "app"))
        recipient = await find_account(scope.db, required(body, "recipient"))
        if recipient.id == app.owner_id:
            raise InvalidParams(f"{recipient.email} owns {app.name} already.")
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
