"""Changeovers over HTTP: plan one, begin it, look at it, let its pause begin, call it off."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request

from changeover.api.addresses import desk_of
from changeover.api.bodies import Body, Fields, flag, required, text, whole
from changeover.api.desk import opened
from changeover.api.moments import iso, maybe_iso
from changeover.api.ours import run_view
from changeover.api.parameters import RunNumber
from changeover.api.views import Json
from changeover.changeovers import requests
from changeover.changeovers.after.probing import OldSide, look_at_old_side
from changeover.changeovers.blockers import in_the_way
from changeover.changeovers.plan import plan_changeover
from changeover.errors import InvalidParams

router = APIRouter(prefix="/changeover/v1/changeovers")


def view(request: Request, seen: requests.Seen) -> Json:
    row, workflow = seen.row, desk_of(request).workflows[seen.run.kind]
    run = run_view(seen.run, workflow)
    return {
        **{key: run[key] for key in ("id", "app", "status", "step", "says", "waits_because", "percent", "error")},
        "source": row.source_name,
        "target": row.target_name,
        "plan": row.plan,
        "hold": row.hold,
        "go_at": maybe_iso(seen.go_at),
        "attempts": row.attempts,
        "remark": row.remark,
        "is_past_return": seen.run.is_past_return,
        "is_held": row.held is not None,
        "keep_source_days": row.keep_source_days,
        "prediction": row.prediction,
        "report": row.report,
        "steps": [{"name": step.name, "says": step.says} for step in workflow.steps],
        "created_at": iso(seen.run.created_at),
        "finished_at": maybe_iso(seen.run.finished_at),
    }


@router.post("/actions/plan")
async def plan(request: Request, body: Body) -> Json:
    """What would happen; nothing does."""
    async with opened(request) as scope:
        found = await plan_changeover(
            scope, app_key=required(body, "app"), source_key=required(body, "source"), to=required(body, "to"),
            hold=_hold(body),
        )  # fmt: skip
        return found.as_dict()


@router.post("", status_code=201)
async def create(request: Request, body: Body) -> Json:
    wish = requests.Wish(
        app=required(body, "app"), source=required(body, "source"), to=required(body, "to"), hold=_hold(body),
        at=_moment(body), waits_for_word=bool(flag(body, "waits_for_word")),
        keep_source_days=whole(body, "keep_source_days"), ends_sessions=bool(flag(body, "ends_sessions")),
    )  # fmt: skip
    async with opened(request) as scope:
        run, _ = await requests.begin(scope, wish)
        return view(request, await requests.find_changeover(scope, run.id))


@router.get("")
async def index(request: Request) -> list[Json]:
    async with opened(request) as scope:
        return [view(request, seen) for seen in await requests.list_changeovers(scope)]


@router.get("/{number}")
async def show(request: Request, number: RunNumber) -> Json:
    """Live: with who is in the way just now, and who still tries to enter the source."""
    async with opened(request) as scope:
        seen = await requests.find_changeover(scope, number)
        old = await look_at_old_side(scope, seen.row)
        return {
            **view(request, seen),
            "in_the_way": await in_the_way(scope, seen),
            "old_side": _old_side(old) if old else None,
        }


@router.post("/{number}/actions/cut-over")
async def cut_over(request: Request, number: RunNumber, body: Body) -> Json:
    async with opened(request) as scope:
        return view(request, await requests.go(scope, number, ends_sessions=bool(flag(body, "ends_sessions"))))


@router.post("/{number}/actions/abort")
async def abort(request: Request, number: RunNumber) -> Json:
    async with opened(request) as scope:
        return view(request, await requests.abort(scope, number))


def _old_side(old: OldSide) -> Json:
    return {
        "is_fenced": old.finding == "fenced",
        "finding": old.finding,
        "probed_at": iso(old.probed_at),
        "fenced_at": maybe_iso(old.fenced_at),
        "breach": old.breach,
        "breaches": old.breaches,
        "refused": [str(one) for one in old.refused],
        "refusals": [{**vars(one), "first_at": iso(one.first_at), "last_at": iso(one.last_at)} for one in old.refused],
    }


def _hold(body: Fields) -> str:
    return text("hold", body.get("hold")) or "maintenance"


def _moment(body: Fields) -> datetime | None:
    given: Any = text("at", body.get("at"))
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidParams("at must be a moment with its time zone.", fix="Write it as 2026-12-24T03:00:00+00:00.")
    return at
