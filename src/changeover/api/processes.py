"""Dynos and formation: `ps`, `ps:scale`, `ps:restart`, `ps:stop`, one-off dynos."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from changeover.api.addresses import desk_of
from changeover.api.bodies import Body, flag, text
from changeover.api.desk import opened
from changeover.api.moments import iso
from changeover.api.rendezvous import rendezvous_of
from changeover.api.responses import raw
from changeover.api.views import Json
from changeover.errors import InvalidParams, NotAvailable
from changeover.platform import formation as platform
from changeover.platform.apps import find_app
from changeover.platform.catalogue import stable_id
from changeover.platform.dynos import Seen, list_dynos, one_off
from changeover.platform.things import App, RunRow

router = APIRouter()

SETTLE_S = 45.0
"""How long a scale waits for its dynos. The official CLI disconnects after 60 s of silence."""


def formation_view(app: App, process: platform.Process) -> Json:
    row = process.row
    return {
        "id": str(row.id),
        "app": {"id": str(app.id), "name": app.name},
        "command": process.command,
        "created_at": iso(row.created_at),
        "docker_image": None,
        "dyno_size": {"id": str(stable_id("dyno-size", row.size)), "name": row.size},
        "quantity": row.quantity,
        "size": row.size,
        "type": row.type,
        "updated_at": iso(row.updated_at),
    }


def dyno_view(app: App, seen: Seen, attach_url: str | None = None) -> Json:
    return {
        "id": str(stable_id("dyno", str(app.id), seen.name)),
        "app": {"id": str(app.id), "name": app.name},
        "attach_url": attach_url,
        "command": seen.command,
        "created_at": iso(seen.since),
        "dyno_size": {"id": str(stable_id("dyno-size", seen.size)), "name": seen.size},
        "name": seen.name,
        "release": {"id": str(stable_id("release", str(app.id), str(seen.release))), "version": seen.release},
        "size": seen.size,
        "state": seen.state,
        "type": seen.type,
        "updated_at": iso(seen.since),
    }


@router.get("/apps/{app}/formation")
async def formation(request: Request, app: str) -> list[Json]:
    async with opened(request) as scope:
        found = await find_app(scope, app)
        return [formation_view(found, one) for one in await platform.formation_of(scope, found)]


@router.patch("/apps/{app}/formation")
async def scale(request: Request, app: str, body: Body) -> list[Json]:
    """Answers when the dynos match, or when that takes longer than a request should."""
    changes = [_change(one) for one in _list(body, "updates")]
    async with opened(request) as scope:
        found = await find_app(scope, app)
        run = await platform.scale(scope, found, changes)
        after = [formation_view(found, one) for one in await platform.formation_of(scope, found)]
    await _settle(request, run)
    return after


@router.patch("/apps/{app}/formation/{type_}")
async def scale_one(request: Request, app: str, type_: str, body: Body) -> Json:
    all_of_them = await scale(request, app, {"updates": [{**body, "type": type_}]})
    return next(one for one in all_of_them if one["type"] == type_)


@router.get("/apps/{app}/dynos")
async def index(request: Request, app: str) -> list[Json]:
    async with opened(request) as scope:
        found = await find_app(scope, app)
        return [dyno_view(found, seen) for seen in await list_dynos(scope, found)]


@router.get("/apps/{app}/dynos/{name}")
async def show(request: Request, app: str, name: str) -> Json:
    async with opened(request) as scope:
        found = await find_app(scope, app)
        for seen in await list_dynos(scope, found):
            if seen.name == name:
                return dyno_view(found, seen)
        raise platform.no_dyno(name)


@router.post("/apps/{app}/dynos", status_code=201, response_model=None)
async def run(request: Request, app: str, body: Body) -> Json | Response:
    """Starts a one-off dyno. Without code, answers with a raw 409, as the official CLI expects."""
    environment = body.get("env") or {}
    if not isinstance(environment, dict):
        raise InvalidParams("env must be an object.")
    try:
        async with opened(request) as scope:
            found = await find_app(scope, app)
            dyno = await one_off(
                scope.db, scope.parts, found, text("command", body.get("command")) or "",
                extra={key: str(value) for key, value in environment.items()},
                size=text("size", body.get("size")), type_=text("type", body.get("type")) or "run",
            )  # fmt: skip
    except NotAvailable as refused:
        return raw(refused)
    attach_url = None
    if flag(body, "attach"):
        attach_url = rendezvous_of(request).expect(dyno, has_tty=not flag(body, "force_no_tty"))
    else:
        await desk_of(request).parts.dynos.run_once(dyno)
    return dyno_view(found, Seen(dyno.name, dyno.type, "starting", dyno.command, dyno.size, dyno.release, found.updated_at),
                     attach_url)  # fmt: skip


@router.delete("/apps/{app}/dynos", status_code=202)
async def restart_all(request: Request, app: str) -> Json:
    return await _restart(request, app, "*")


@router.delete("/apps/{app}/dynos/{name}", status_code=202)
@router.delete("/apps/{app}/formations/{name}", status_code=202)
async def restart(request: Request, app: str, name: str) -> Json:
    return await _restart(request, app, name)


@router.post("/apps/{app}/dynos/{name}/actions/stop", status_code=202)
@router.post("/apps/{app}/formations/{name}/actions/stop", status_code=202)
async def stop(request: Request, app: str, name: str) -> Json:
    async with opened(request) as scope:
        found = await find_app(scope, app)
        if scope.parts.dynos.one_off(str(found.id), name) is not None:
            await scope.parts.dynos.stop_one_off(str(found.id), name)
            return {}
        asked = await platform.stop(scope, found, name)
    await _settle(request, asked)
    return {}


@router.get("/dyno-sizes")
async def sizes(request: Request) -> list[Any]:
    async with opened(request):
        return [{"id": str(stable_id("dyno-size", name)), "name": name, "cost": None} for name in platform.SIZES]


async def _restart(request: Request, app: str, which: str) -> Json:
    async with opened(request) as scope:
        await platform.restart(scope, await find_app(scope, app), which)
    return {}


async def _settle(request: Request, run: RunRow | None) -> None:
    if run is not None:
        await desk_of(request).stay_for(run, most_s=SETTLE_S)


def _list(body: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = body.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidParams(f"{key} must be a list of objects.")
    return found


def _change(fields: dict[str, Any]) -> platform.Change:
    quantity = fields.get("quantity")
    size = fields.get("size")
    if isinstance(size, dict):
        size = size.get("name")
    type_ = text("type", fields.get("type"))
    if type_ is None:
        raise InvalidParams("Each update must name a type.")
    return platform.Change(type_, str(quantity) if quantity is not None else None, text("size", size))
