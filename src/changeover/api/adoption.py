"""`pg:adopt`: attaches an external database to an app as an add-on."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from changeover.api.addons import view as addon_view
from changeover.api.bodies import Body, address, text
from changeover.api.desk import opened
from changeover.api.views import Json, attachment_view
from changeover.changeovers.ends.addresses import location_named
from changeover.platform.adopting import adopt
from changeover.platform.apps import find_app

router = APIRouter(prefix="/changeover/v1")


@router.post("/apps/{app}/adopted-databases", status_code=201)
async def create(request: Request, response: Response, app: str, body: Body) -> Json:
    """`source` is its address with the password. 200 if it was already adopted and only its address is renewed."""
    async with opened(request) as scope:
        done = await adopt(
            scope,
            await find_app(scope, app),
            await location_named(scope, address(body, "source")),
            name=text("as", body.get("as")),
            confirm=text("confirm", body.get("confirm")),
        )
        response.status_code = 200 if done.was_known else 201
        return {
            "addon": await addon_view(scope, done.addon),
            "attachment": attachment_view(done.attachment),
            "was_known": done.was_known,
        }
