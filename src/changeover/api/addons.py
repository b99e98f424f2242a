"""Add-ons: create, show, rename, destroy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request

from changeover.api.addresses import desk_of
from changeover.api.bodies import Body, flag, named, required, text
from changeover.api.desk import opened
from changeover.api.views import Json, addon_view
from changeover.errors import InvalidParams, NotFound
from changeover.errors.elsewhere import NotOurs
from changeover.platform import addons as platform
from changeover.platform.apps import find_app
from changeover.platform.attachments import attachments_to
from changeover.platform.resolving import addon_in_app, find_addon, resolve_addons
from changeover.platform.scope import Scope
from changeover.platform.things import SCHEDULER, Addon

router = APIRouter()

FOLLOWER_MESSAGE = (
    "Follower will become available for read-only queries when up-to-date\nUse `heroku pg:wait` to track status"
)
SCHEDULER_MESSAGE = (
    'Add a job with `changeover scheduler:add "COMMAND" --every hourly`; `changeover scheduler` lists them'
)
LEADER_MESSAGE = "Database will become available in a few seconds\nUse `heroku pg:wait` to track status"


async def view(scope: Scope, addon: Addon, message: str | None = None) -> Json:
    """The add-on with the config vars that it adds to its own app."""
    attached = await attachments_to(scope.db, addon.id)
    mine = [name for one in attached if one.app_id == addon.app_id for name in one.config_vars]
    return addon_view(scope, addon, mine, provision_message=message)


async def views(scope: Scope, addons: Sequence[Addon]) -> list[Json]:
    return [await view(scope, addon) for addon in addons]


@router.get("/addons")
async def index(request: Request) -> list[Json]:
    async with opened(request) as scope:
        return await views(scope, await platform.all_addons(scope))


@router.get("/apps/{app}/addons")
async def of_app(request: Request, app: str) -> list[Json]:
    async with opened(request) as scope:
        return await views(scope, await platform.addons_of(scope, await find_app(scope, app)))


@router.post("/apps/{app}/addons", status_code=201)
async def create(request: Request, app: str, body: Body) -> Json:
    config = body.get("config") or {}
    attachment = body.get("attachment") or {}
    if not isinstance(config, dict) or not isinstance(attachment, dict):
        raise InvalidParams("config and attachment must be objects.")
    async with opened(request) as scope:
        addon = await platform.create_addon(
            scope,
            await find_app(scope, app),
            plan_name=required(body, "plan"),
            name=text("name", body.get("name")),
            attachment_name=text("attachment", attachment.get("name")),
            config=config,
            confirm=text("confirm", body.get("confirm")),
        )
        message = FOLLOWER_MESSAGE if "follow" in config else LEADER_MESSAGE
        return await view(scope, addon, SCHEDULER_MESSAGE if addon.service == SCHEDULER else message)


@router.get("/apps/{app}/addons/{key}")
async def show_in_app(request: Request, app: str, key: str) -> Json:
    async with opened(request) as scope:
        return await view(scope, await addon_in_app(scope, await find_app(scope, app), key))


@router.get("/addons/{key}")
async def show(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        return await view(scope, await find_addon(scope, key))


@router.patch("/apps/{app}/addons/{key}")
async def update(request: Request, app: str, key: str, body: Body) -> Json:
    async with opened(request) as scope:
        addon = await addon_in_app(scope, await find_app(scope, app), key)
        if named(body, "plan"):
            plan = scope.parts.catalogue.plan(required(body, "plan"))
            if SCHEDULER in (addon.service, plan.service):
                raise InvalidParams(
                    f"The plan of {addon.name} can't be changed.", why="The Scheduler has only one plan."
                )
            if scope.parts.catalogue.plan_of(addon.service, addon.plan).tier.is_external:
                raise NotOurs(f"The plan of {addon.name} can't be changed.", moving=addon.name)
            raise InvalidParams(
                f"The plan of {addon.name} can't be changed to {plan.full_name} in place.",
                why="changeover moves a database with a follower.",
                fix=f"`changeover addons:create {plan.full_name} -a {addon.app_name} -- --follow {addon.name}`, "
                "wait for it, then pg:unfollow and pg:promote.",
            )
        return await view(scope, await platform.rename_addon(scope, addon, required(body, "name")))


@router.delete("/apps/{app}/addons/{key}")
async def destroy(request: Request, app: str, key: str, body: Body) -> Json:
    """Answers when the add-on is gone, or with `deprovisioning` if that takes longer than a request should."""
    async with opened(request) as scope:
        found = await find_app(scope, app)
        addon = await addon_in_app(scope, found, key)
        if addon.app_id != found.id:
            raise InvalidParams(
                f"{addon.name} is on {addon.app_name}, not on {found.name}.",
                fix=f"Only its owner can destroy it: `changeover addons:destroy {addon.name} -a {addon.app_name}`.",
            )
        run = await platform.destroy_addon(scope, addon, force=bool(flag(body, "force")))
        gone: dict[str, Any] = await view(scope, addon)
    is_done = run is None or await desk_of(request).stay_for_removal(run)
    return {**gone, "state": "deprovisioned" if is_done else "deprovisioning"}


@router.post("/actions/addons/resolve")
async def resolve(request: Request, body: Body) -> list[Json]:
    async with opened(request) as scope:
        found = await resolve_addons(scope, required(body, "addon"), named(body, "app"))
        wanted = named(body, "addon_service")
        chosen = [addon for addon in found if wanted in (None, addon.service)]
        if not chosen:
            raise NotFound("Couldn't find that add-on.", resource="add_on")
        return await views(scope, chosen)


@router.get("/addons/{key}/config/{namespace}")
async def credential_config(request: Request, key: str, namespace: str) -> list[Json]:
    """`credential:NAME`: its config, or nothing if there is no such credential."""
    async with opened(request) as scope:
        addon = await find_addon(scope, key)
        wanted = namespace.removeprefix("credential:")
        known = await platform.credential_names(scope, addon)
        return [{"name": "url", "value": None}] if wanted in known else []
