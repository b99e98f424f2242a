"""`pg:connection-pooling:attach`: attaches a connection pool of a database to an app."""

from __future__ import annotations

from fastapi import APIRouter, Request

from changeover.api.bodies import Body, required, text
from changeover.api.desk import opened
from changeover.api.views import Json
from changeover.errors import InvalidParams
from changeover.platform.apps import find_app
from changeover.platform.attachments import attach_pooled
from changeover.platform.databases import find_database

router = APIRouter(prefix="/client/v11/databases")


@router.post("/{key}/connection-pooling", status_code=201)
async def create(request: Request, key: str, body: Body) -> Json:
    """Answers when the pooler runs. The official CLI reads only `name`."""
    credential = text("credential", body.get("credential")) or "default"
    if credential != "default":
        raise InvalidParams(
            f"The credential {credential} can't be pooled.",
            why="Connection pools only use the default credential.",
            fix="Repeat the command without a credential.",
        )
    async with opened(request) as scope:
        addon, _ = await find_database(scope, key)
        app = await find_app(scope, required(body, "app"))
        attachment = await attach_pooled(scope, addon, app, name=text("name", body.get("name")))
        return {"name": attachment.name, "config_var": attachment.config_var, "app": {"name": attachment.app_name}}
