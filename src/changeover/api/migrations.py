"""Migrations and comparisons over HTTP: begin one, look at it, call it off."""

from __future__ import annotations

from fastapi import APIRouter, Request

from changeover.api.addresses import desk_of
from changeover.api.bodies import Body, Fields, address, flag, text, whole
from changeover.api.desk import opened
from changeover.api.moments import iso, maybe_iso
from changeover.api.ours import run_view
from changeover.api.parameters import RunNumber
from changeover.api.views import Json
from changeover.changeovers.migrating import people
from changeover.changeovers.migrating.wish import Hooks, Wish
from changeover.errors import InvalidParams
from changeover.platform.things import RunRow

router = APIRouter(prefix="/changeover/v1")
RUN = ("id", "status", "step", "says", "waits_because", "percent", "error")


def _run(request: Request, row: RunRow) -> Json:
    workflow = desk_of(request).workflows[row.kind]
    seen = run_view(row, workflow)
    return {
        **{key: seen[key] for key in RUN},
        "steps": [{"name": step.name, "says": step.says} for step in workflow.steps],
        "created_at": iso(row.created_at),
        "finished_at": maybe_iso(row.finished_at),
    }


def view(request: Request, seen: people.Seen) -> Json:
    row = seen.row
    return {
        **_run(request, seen.run),
        "source": row.source_name,
        "target": row.target_name,
        "wish": row.wish,
        "is_held": row.held is not None,
        "stopped": row.stopped,
        "progress": row.progress,
        "report": row.report,
    }


def verification_view(request: Request, seen: people.SeenVerification) -> Json:
    row = seen.row
    return {
        **_run(request, seen.run),
        "source": row.source_name,
        "target": row.target_name,
        "is_quick": row.is_quick,
        "progress": row.progress,
        "report": row.report,
    }


@router.post("/migrations", status_code=201)
async def create(request: Request, body: Body) -> Json:
    """Begins one, or goes on with the one between the same two that is under way."""
    wish = _wish(body)
    async with opened(request) as scope:
        return view(request, await people.begin(scope, address(body, "source"), address(body, "target"), wish))


@router.get("/migrations")
async def index(request: Request) -> list[Json]:
    async with opened(request) as scope:
        return [view(request, seen) for seen in await people.list_migrations(scope)]


@router.post("/migrations/actions/find")
async def find(request: Request, body: Body) -> Json:
    """The number of the one between these two that is under way; null where there is none. By POST: addresses are secret."""
    async with opened(request) as scope:
        found = await people.under_way(scope, address(body, "source"), address(body, "target"))
        return {"id": found.run_id if found else None}


@router.get("/migrations/{number}")
async def show(request: Request, number: RunNumber) -> Json:
    async with opened(request) as scope:
        return view(request, await people.find_migration(scope, number))


@router.post("/migrations/actions/abort")
async def abort(request: Request, body: Body) -> Json:
    """By the two databases, as a person knows it."""
    async with opened(request) as scope:
        return view(request, await people.abort_between(scope, address(body, "source"), address(body, "target")))


@router.post("/migrations/{number}/actions/abort")
async def abort_by_number(request: Request, number: RunNumber) -> Json:
    async with opened(request) as scope:
        return view(request, await people.abort(scope, number))


@router.post("/verifications", status_code=201)
async def verify(request: Request, body: Body) -> Json:
    async with opened(request) as scope:
        seen = await people.verify(
            scope, address(body, "source"), address(body, "target"), is_quick=bool(flag(body, "is_quick"))
        )
        return verification_view(request, seen)


@router.get("/verifications/{number}")
async def show_verification(request: Request, number: RunNumber) -> Json:
    async with opened(request) as scope:
        return verification_view(request, await people.find_verification(scope, number))


def _wish(body: Fields) -> Wish:
    hooks = Hooks(**{name: text(name, body.get(name)) for name in ("on_hold", "on_switch", "on_release", "pgbouncer")})
    keeps_owners = flag(body, "keeps_owners")
    return Wish(
        hold=text("hold", body.get("hold")) or "none",
        verify=text("verify", body.get("verify")),
        connections=whole(body, "connections") or 2,
        keeps_owners=keeps_owners if keeps_owners is not None else True,
        ignored=_ids(body),
        hooks=hooks,
    )


def _ids(body: Fields) -> tuple[str, ...]:
    given = body.get("ignored") or []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise InvalidParams("ignored must be a list of the ids of checks.")
    return tuple(given)
