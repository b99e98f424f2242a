"""Migrations and comparisons over HTTP: begin one, look at it, call it off."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from changeover.api.addresses import desk_of
from changeover.api.bodies import Body, Fields, address, flag, patterns, text, texts, whole
from changeover.api.changeovers import view
from changeover.api.checks import LOOKS_S
from changeover.api.desk import opened
from changeover.api.moments import iso, maybe_iso
from changeover.api.ours import run_view
from changeover.api.parameters import RunNumber
from changeover.api.views import Json
from changeover.changeovers.between import KIND, WHAT, abort_between, begin, between, ends_named
from changeover.changeovers.holds.hooks import HOOKS
from changeover.changeovers.methods.snapshot.options import Options, SnapshotOptions
from changeover.changeovers.methods.snapshot.planning import as_dict, plan_migration
from changeover.changeovers.requests import abort as abort_changeover
from changeover.changeovers.requests import find_changeover, list_changeovers
from changeover.changeovers.verification.requests import SeenVerification, find_verification
from changeover.changeovers.verification.requests import verify as begin_verification
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


def _without_tables(view: Json) -> Json:
    report: Json = dict(view["report"])
    if copied := report.get("copy"):
        report["copy"] = {name: value for name, value in copied.items() if name != "per_table"}
    return {**view, "report": report}


def verification_view(request: Request, seen: SeenVerification) -> Json:
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
    options = _options(body)
    async with opened(request) as scope:
        return view(request, await begin(scope, address(body, "source"), address(body, "target"), options))


@router.post("/migrations/actions/plan")
async def plan(request: Request, body: Body) -> Json:
    """What one between these two would do, and what the checks found; nothing is changed."""
    options = SnapshotOptions.of(_options(body))
    async with opened(request) as scope:
        ends = await ends_named(scope, address(body, "source"), address(body, "target"))
        async with scope.asking(LOOKS_S):
            return as_dict(await plan_migration(scope.parts, *ends, options))


@router.get("/migrations")
async def index(request: Request) -> list[Json]:
    """Their reports without the figures of each table: there may be thousands."""
    async with opened(request) as scope:
        return [_without_tables(view(request, found)) for found in await list_changeovers(scope, KIND)]


@router.post("/migrations/actions/find")
async def find(request: Request, body: Body) -> Json:
    """The number of the one between these two that is under way, and of the last one where that was done; null for none.

    By POST: addresses are secret.
    """
    async with opened(request) as scope:
        found = await between(scope, address(body, "source"), address(body, "target"))
        return {
            "id": found.under_way.run_id if found.under_way else None,
            "finished": found.finished.run_id if found.finished else None,
        }


@router.get("/migrations/{number}")
async def show(request: Request, number: RunNumber) -> Json:
    async with opened(request) as scope:
        return view(request, await find_changeover(scope, number, WHAT))


@router.post("/migrations/actions/abort")
async def abort(request: Request, body: Body) -> Json:
    """By the two databases, as a person knows it."""
    async with opened(request) as scope:
        return view(request, await abort_between(scope, address(body, "source"), address(body, "target")))


@router.post("/migrations/{number}/actions/abort")
async def abort_by_number(request: Request, number: RunNumber) -> Json:
    async with opened(request) as scope:
        return view(request, await abort_changeover(scope, number, WHAT))


@router.post("/verifications", status_code=201)
async def verify(request: Request, body: Body) -> Json:
    async with opened(request) as scope:
        seen = await begin_verification(
            scope, address(body, "source"), address(body, "target"), is_quick=bool(flag(body, "is_quick"))
        )
        return verification_view(request, seen)


@router.get("/verifications/{number}")
async def show_verification(request: Request, number: RunNumber) -> Json:
    async with opened(request) as scope:
        return verification_view(request, await find_verification(scope, number))


def _options(body: Fields) -> Options:
    """Those that were given: the others keep their defaults, or what a migration under way has."""
    given: dict[str, Any] = {name: text(name, body.get(name)) for name in ("hold", "verify", "refresh", *HOOKS)}
    given |= {
        "connections": whole(body, "connections"),
        "keeps_owners": flag(body, "keeps_owners"),
        "ignored": texts(body, "ignored"),
        **patterns(body),
    }
    return {name: value for name, value in given.items() if value is not None}
