"""Backups, restores, copies and daily schedules, for `pg:backups` and `pg:copy` of the official CLI.

Also has our own routes: downloading a backup from the folder, and verifying one now.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

from changeover.api.addresses import absolute, desk_of
from changeover.api.bodies import Body, Fields, address, required, text
from changeover.api.desk import opened
from changeover.api.moments import spaced
from changeover.api.responses import error_response
from changeover.api.views import Json
from changeover.errors import InvalidParams
from changeover.errors.transfers import BackupGone
from changeover.platform.scope import Scope
from changeover.platform.things import TransferRow, TransferScheduleRow
from changeover.platform.transfers import people

router = APIRouter()

APPS, DATABASES = "/client/v11/apps/{app}/transfers", "/client/v11/databases/{key}"
TYPES = {"backup": ("pg_dump", "gof3r"), "restore": ("gof3r", "pg_restore"), "copy": ("pg_dump", "pg_restore")}
DUMP_TYPE = "application/octet-stream"


def view(request: Request, row: TransferRow) -> Json:
    """`to_url` of a backup is the source for a restore of it. Addresses of databases are never returned."""
    from_type, to_type = TYPES[row.kind]
    is_backup = row.kind == "backup"
    return {
        "uuid": str(row.id),
        "num": row.number,
        "name": row.name,
        "from_type": from_type,
        "to_type": to_type,
        "from_name": row.from_name,
        "to_name": row.to_name,
        "from_url": None,
        "to_url": absolute(request, f"changeover/v1/backups/{row.id}") if is_backup else None,
        "options": {},
        "source_bytes": row.source_bytes,
        "processed_bytes": row.processed_bytes,
        "progress": row.progress,
        "succeeded": row.is_succeeded,
        "warnings": row.warnings,
        "schedule": {"uuid": str(row.schedule_id)} if row.schedule_id else None,
        "verified": row.verified,
        "run": row.run_id,
        "created_at": spaced(row.created_at),
        "updated_at": spaced(row.updated_at),
        "started_at": spaced(row.started_at) if row.started_at else None,
        "finished_at": spaced(row.finished_at) if row.finished_at else None,
        "canceled_at": spaced(row.cancelled_at) if row.cancelled_at else None,
        "deleted_at": None,
        "purged_at": None,
    }


async def full_view(request: Request, scope: Scope, row: TransferRow) -> Json:
    logs = [
        {"created_at": spaced(line.at), "level": line.level, "message": line.message}
        for line in await people.log_of(scope, row)
    ]
    return {**view(request, row), "num_keep": await people.most_kept(scope, row), "logs": logs}


@router.get(APPS)
async def index(request: Request, app: str) -> list[Json]:
    async with opened(request) as scope:
        return [view(request, row) for row in await people.list_transfers(scope, app)]


@router.get(APPS + "/{transfer}")
async def show(request: Request, app: str, transfer: str) -> Json:
    """With its log, regardless of `?verbose=true`."""
    async with opened(request) as scope:
        return await full_view(request, scope, await people.find_transfer(scope, app, transfer))


@router.delete(APPS + "/{transfer}")
async def delete(request: Request, app: str, transfer: str) -> Json:
    async with opened(request) as scope:
        row = await people.find_transfer(scope, app, transfer)
        await people.delete(scope, row)
        return view(request, row)


@router.post(APPS + "/{transfer}/actions/cancel")
async def cancel(request: Request, app: str, transfer: str) -> Json:
    async with opened(request) as scope:
        return view(request, await people.cancel(scope, await people.find_transfer(scope, app, transfer)))


@router.post(APPS + "/{transfer}/actions/public-url")
async def public_url(request: Request, app: str, transfer: str) -> Json:
    async with opened(request) as scope:
        found = await people.public_address(scope, await people.find_transfer(scope, app, transfer))
    url = found.url or absolute(request, f"changeover/v1/backups/signed/{found.key}")
    return {"url": url, "expires_at": spaced(found.expires_at)}


@router.post("/changeover/v1/apps/{app}/backups/{transfer}/actions/verify", status_code=201)
async def verify(request: Request, app: str, transfer: str) -> Json:
    """Restores it into a scratch server now. The result is in the backup's `verified`."""
    async with opened(request) as scope:
        run = await people.verify(scope, await people.find_transfer(scope, app, transfer))
        return {"run": run.id}


@router.get("/changeover/v1/backups/signed/{key}", response_model=None)
async def download_signed(request: Request, key: str) -> Response:
    """Needs no token, because its URL is the secret: encrypted, and valid for an hour."""
    desk = desk_of(request)
    async with desk.pool.connection() as db:
        row = await people.signed_backup(db, desk.parts, key)
    if row is None:
        gone = BackupGone("This URL is no longer valid.", why="It is valid for an hour.", fix="Create a new one.")
        return error_response(gone)
    return _file(people.file_of(desk.parts, row), row)


@router.get("/changeover/v1/backups/{transfer}", response_model=None)
async def download(request: Request, transfer: str) -> Response:
    async with opened(request) as scope:
        row = await people.backup_by_id(scope, transfer)
        found = await people.public_address(scope, row)
    return RedirectResponse(found.url) if found.url else _file(people.file_of(desk_of(request).parts, row), row)


def _file(path: Any, row: TransferRow) -> Response:
    """Supports ranges, so interrupted downloads can continue."""
    return FileResponse(path, media_type=DUMP_TYPE, filename=f"{row.name}.dump", headers={"Cache-Control": "no-store"})


@router.post(DATABASES + "/backups", status_code=201)
async def capture(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        return view(request, await people.capture(scope, key))


@router.post(DATABASES + "/restores", status_code=201)
async def restore(request: Request, key: str, body: Body) -> Json:
    async with opened(request) as scope:
        row = await people.restore(scope, key, required(body, "backup_url"), _extensions(body))
        return view(request, row)


@router.post(DATABASES + "/transfers", status_code=201)
async def copy(request: Request, key: str, body: Body) -> Json:
    wish = people.CopyRequest(
        **{name: required(body, name) for name in ("from_name", "to_name")},
        **{name: address(body, name) for name in ("from_url", "to_url")},
    )
    async with opened(request) as scope:
        return view(request, await people.copy(scope, key, wish))


def _extensions(body: Fields) -> list[str]:
    given = body.get("extensions") or []
    if isinstance(given, str):
        return given.split(",")
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise InvalidParams("extensions must be a list of names.")
    return given


def schedule_view(row: TransferScheduleRow) -> Json:
    """`name` is the config var, which both CLIs resolve again."""
    return {
        "uuid": str(row.id),
        "name": f"{row.attachment}_URL",
        "hour": row.hour,
        "timezone": row.timezone,
        "next_at": spaced(row.next_at),
        "created_at": spaced(row.created_at),
        "deleted_at": None,
    }


@router.get(DATABASES + "/transfer-schedules")
async def schedules(request: Request, key: str) -> list[Json]:
    """Those of all databases of the app that owns this one."""
    async with opened(request) as scope:
        _, found = await people.schedules(scope, key)
        return [schedule_view(row) for row in found]


@router.post(DATABASES + "/transfer-schedules", status_code=201)
async def schedule(request: Request, key: str, body: Body) -> Json:
    hour = str(body.get("hour", ""))
    async with opened(request) as scope:
        row = await people.schedule(
            scope, key, name=text("schedule_name", body.get("schedule_name")), hour=hour,
            timezone=text("timezone", body.get("timezone")) or "UTC",
        )  # fmt: skip
        return schedule_view(row)


@router.delete(DATABASES + "/transfer-schedules/{schedule}")
async def unschedule(request: Request, key: str, schedule: str) -> Json:
    async with opened(request) as scope:
        return schedule_view(await people.unschedule(scope, key, schedule))
