"""Our own API: runs, promotion in one request, our certificate authority."""

from __future__ import annotations

from fastapi import APIRouter, Request

from changeover.api.addresses import desk_of
from changeover.api.bodies import Body, flag, text
from changeover.api.desk import opened
from changeover.api.moments import iso, maybe_iso
from changeover.api.parameters import Milliseconds, RunNumber
from changeover.api.views import Json, attachment_view, release_view
from changeover.platform.apps import find_app
from changeover.platform.progress import RunView, find_run, list_runs
from changeover.platform.promoting import promote
from changeover.platform.releases import list_releases
from changeover.platform.things import RunRow, Workflow

LONGEST_S = 20.0
router = APIRouter(prefix="/changeover/v1")


def run_view(row: RunRow, workflow: Workflow) -> Json:
    return {
        "id": row.id,
        "kind": row.kind,
        "subject": row.subject,
        "app": row.app,
        "status": row.status,
        "step": row.step,
        "says": next((step.says for step in workflow.steps if step.name == row.step), row.step),
        "waits_because": row.waits_because,
        "percent": row.percent,
        "error": row.error,
        "epoch": row.epoch,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "finished_at": maybe_iso(row.finished_at),
    }


def run_detail(found: RunView, workflow: Workflow) -> Json:
    """With its steps and its journal (times in milliseconds)."""
    row = found.row
    position = workflow.by_name.get(row.step, 0)
    is_done = [row.status == "done" or (n < position and row.status != "failed") for n in range(len(found.steps))]
    states = ["done" if each else "pending" for each in is_done]
    if row.status not in ("done", "failed"):
        states[position] = "current"
    return {
        **run_view(row, workflow),
        "progress": found.progress,
        "steps": [
            {"name": step.name, "says": step.says, "state": state}
            for step, state in zip(found.steps, states, strict=True)
        ],
        "journal": [
            {
                "at": entry.at.isoformat(timespec="milliseconds"),
                "epoch": entry.epoch,
                "step": entry.step,
                "event": entry.event,
                "detail": entry.detail,
            }
            for entry in found.journal
        ],
    }


@router.get("/runs")
async def index(request: Request, app: str | None = None) -> list[Json]:
    async with opened(request) as scope:
        return [run_view(row, desk_of(request).workflows[row.kind]) for row in await list_runs(scope, app)]


@router.get("/runs/ends")
async def ends(request: Request, after: str = "", within_ms: Milliseconds = 1000) -> Json:
    """Answers as soon as any run has ended since the given mark, at the latest after that time. For clients that wait."""
    async with opened(request) as scope:
        changes = desk_of(request).changes
        del scope  # only checks access; nothing is held while waiting
    return {"mark": await changes.newer_mark("runs", after, within_s=min(within_ms / 1000, LONGEST_S))}


@router.get("/runs/{run_id}")
async def show(request: Request, run_id: RunNumber) -> Json:
    async with opened(request) as scope:
        found = await find_run(scope, run_id, desk_of(request).workflows)
        return run_detail(found, desk_of(request).workflows[found.row.kind])


@router.post("/apps/{app}/databases/{database}/actions/promote")
async def promote_database(request: Request, app: str, database: str, body: Body) -> Json:
    """Creates the alias for the previous database and the new attachment in one transaction."""
    async with opened(request) as scope:
        found = await find_app(scope, app)
        promotion = await promote(
            scope, found, database, name=text("as", body.get("as")) or "DATABASE", force=bool(flag(body, "force"))
        )
        releases = await list_releases(scope, found)
        return {
            "attachment": attachment_view(promotion.attachment),
            "previous": attachment_view(promotion.former) if promotion.former else None,
            "alias": promotion.alias.name if promotion.alias else None,
            "warnings": scope.warnings,
            "release": release_view(request, releases[-1]),
        }


@router.get("/ca")
async def certificate_authority(request: Request) -> Json:
    """Public. Clients verify a database's server with it."""
    async with opened(request) as scope:
        return {"certificate": scope.parts.ca_certificate.read_text()}
