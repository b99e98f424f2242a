"""Attachments of add-ons to apps."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request

from changeover.api.bodies import Body, named, required, text
from changeover.api.desk import opened
from changeover.api.views import Json, attachment_view
from changeover.errors import InvalidParams
from changeover.platform import attachments as platform
from changeover.platform.apps import find_app
from changeover.platform.environment import CREDENTIAL_NAMESPACE, POOLING_NAMESPACE, attachments_of
from changeover.platform.resolving import (
    find_addon,
    resolve_addon,
    resolve_attachments,
    visible_app_ids,
    visible_attachments,
)
from changeover.platform.things import Attachment

router = APIRouter()


def views(attachments: Sequence[Attachment]) -> list[Json]:
    return [attachment_view(one) for one in attachments]


@router.get("/addon-attachments")
async def index(request: Request) -> list[Json]:
    async with opened(request) as scope:
        return views(await visible_attachments(scope, await visible_app_ids(scope)))


@router.post("/addon-attachments", status_code=201)
async def create(request: Request, body: Body) -> Json:
    """Without a name, one is generated. An existing name is replaced if `confirm` is the app's name."""
    namespace = text("namespace", body.get("namespace"))
    if namespace and namespace != POOLING_NAMESPACE and not namespace.startswith(CREDENTIAL_NAMESPACE):
        raise InvalidParams(
            f"The namespace {namespace} is not available.",
            why=f"Available are {CREDENTIAL_NAMESPACE}NAME and {POOLING_NAMESPACE}.",
        )
    async with opened(request) as scope:
        app = await find_app(scope, required(body, "app"))
        addon = await resolve_addon(scope, required(body, "addon"), app.name)
        attachment = await platform.attach(
            scope, addon, app,
            name=text("name", body.get("name")), namespace=namespace, confirm=text("confirm", body.get("confirm")),
        )  # fmt: skip
        return attachment_view(attachment)


@router.get("/addon-attachments/{key}")
async def show(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        return attachment_view((await resolve_attachments(scope, key, None))[0])


@router.delete("/addon-attachments/{key}")
async def destroy(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        [attachment] = await resolve_attachments(scope, key, None)
        await platform.detach(scope, attachment)
        return attachment_view(attachment)


@router.get("/apps/{app}/addon-attachments")
async def of_app(request: Request, app: str) -> list[Json]:
    async with opened(request) as scope:
        return views(await attachments_of(scope.db, (await find_app(scope, app)).id))


@router.get("/apps/{app}/addon-attachments/{key}")
async def show_in_app(request: Request, app: str, key: str) -> Json:
    async with opened(request) as scope:
        return attachment_view(await platform.find_attachment(scope.db, await find_app(scope, app), key))


@router.get("/addons/{key}/addon-attachments")
async def of_addon(request: Request, key: str) -> list[Json]:
    async with opened(request) as scope:
        return views(await platform.attachments_to(scope.db, (await find_addon(scope, key)).id))


@router.post("/actions/addon-attachments/resolve")
async def resolve(request: Request, body: Body) -> list[Json]:
    async with opened(request) as scope:
        return views(await resolve_attachments(scope, required(body, "addon_attachment"), named(body, "app")))
