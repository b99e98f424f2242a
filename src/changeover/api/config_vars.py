"""Config vars of an app: its own and those of its attachments, in one object."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from changeover.api.bodies import Body
from changeover.api.desk import opened
from changeover.errors import InvalidParams
from changeover.platform.apps import find_app
from changeover.platform.config import change_config, config_vars
from changeover.platform.releases import config_at, find_release

router = APIRouter()

LONGEST_VALUE = 100_000
"""Linux limits a variable of a process to 128 KB."""


@router.get("/apps/{app}/config-vars")
async def show(request: Request, app: str) -> dict[str, str]:
    async with opened(request) as scope:
        return await config_vars(scope, await find_app(scope, app))


@router.patch("/apps/{app}/config-vars")
async def update(request: Request, app: str, body: Body) -> dict[str, str]:
    async with opened(request) as scope:
        return await change_config(scope, await find_app(scope, app), _values(body))


@router.get("/apps/{app}/releases/{release}/config-vars")
async def at_release(request: Request, app: str, release: str) -> dict[str, str]:
    """The app's own vars at the time of the release, and the present ones of its attachments."""
    async with opened(request) as scope:
        found = await find_app(scope, app)
        now = await config_vars(scope, found)
        attached = {name: value for name, value in now.items() if name.endswith("_URL")}
        return dict(sorted({**attached, **config_at(scope, await find_release(scope, found, release))}.items()))


def _values(body: dict[str, Any]) -> dict[str, str | None]:
    for name, value in body.items():
        if value is not None and not isinstance(value, str):
            raise InvalidParams(f"The value of {name[:100]} must be a string.")
        if value is not None and len(value.encode()) > LONGEST_VALUE:
            raise InvalidParams(
                f"The value of {name[:100]} is too long.", why=f"A config var can have at most {LONGEST_VALUE:,} bytes."
            )
    return body
