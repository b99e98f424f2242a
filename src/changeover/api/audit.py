"""The audit trail over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from changeover.api.desk import opened
from changeover.api.moments import iso
from changeover.api.parameters import PLAIN_DIGITS
from changeover.api.views import Json
from changeover.platform.apps import find_app
from changeover.platform.auditing import MOST_LISTED, list_events
from changeover.platform.things import AuditRow

router = APIRouter(prefix="/changeover/v1")


def view(row: AuditRow) -> Json:
    return {
        "id": row.id,
        "at": iso(row.at),
        "account": row.email,
        "authorization": str(row.authorization_id) if row.authorization_id else None,
        "action": row.action,
        "path": row.path,
        "app": {"id": str(row.app_id), "name": row.app} if row.app_id else None,
        "address": row.address,
        "request_id": row.request_id,
        "resource": row.resource,
        "outcome": row.outcome,
        "error": row.error,
        "times": row.times,
    }


@router.get("/audit")
async def index(
    request: Request, app: str | None = None, most: Annotated[int, Query(ge=1, le=MOST_LISTED), PLAIN_DIGITS] = 100
) -> list[Json]:
    """Newest first. For an app, requires the permission to manage it."""
    async with opened(request) as scope:
        found = await find_app(scope, app) if app else None
        return [view(row) for row in await list_events(scope, found, most)]
