"""Changeovers over HTTP: plan one, begin it, look at it, let its pause begin, abort it. The one view of them all."""

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
from changeover.changeovers.beginning import KIND, ChangeoverRequest, begin
from changeover.changeovers.blockers import in_the_way
from changeover.changeovers.phases import SNAPSHOT, is_reached, phases_of, present_phase
from changeover.changeovers.plan import plan_changeover
from changeover.changeovers.requests import Changeover
from changeover.errors import InvalidParams

router = APIRouter(prefix="/changeover/v1/changeovers")


RUN = ("id", "app", "status", "step", "says", "waits_because", "percent", "error")


def view(request: Request, found: Changeover) -> Json:
    """A changeover of any method."""
    row, workflow = found.row, desk_of(request).workflows[found.run.kind]
    run, phases = run_view(found.run, workflow), phases_of(row.method)
    return {
        **{key: run[key] for key in RUN},
        "says": present_phase(row.method, row.phase).says if _is_in_a_long_pause(found) else run["says"],
        "method": row.method,
        "source": row.source_name,
        "target": row.target_name,
        "plan": row.plan,
        "hold": row.hold,
        "options": row.options,
        "go_at": maybe_iso(found.go_at),
        "attempts": row.attempts,
        "remark": row.remark,
        "is_past_return": found.run.is_past_return,
        "is_held": found.held_since is not None,
        "held_since": maybe_iso(found.held_since),
        "keep_source_days": row.keep_source_days,
        "prediction": row.prediction,
        "stopped": found.stopped,
        "progress": row.progress,
        "timeline": row.timeline or [],
        "report": row.report | ({"copy": row.copied} if row.copied else {}),
        "steps": [{"name": step.name, "says": step.says} for step in workflow.steps],
        "phase": row.phase,
        "phases": [
            {"name": phase.name, "says": phase.says, "is_reached": is_reached(phase.name, row.phase)}
            for phase in phases
        ],
        "created_at": iso(found.run.created_at),
        "finished_at": maybe_iso(found.run.finished_at),
    }


def _is_in_a_long_pause(found: Changeover) -> bool:
    """Its phases are what it is doing. Those of a short pause are over before anybody could read them."""
    return found.run.step == "cut_over" and found.row.method == SNAPSHOT


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
    asked = ChangeoverRequest(
        app=required(body, "app"), source=required(body, "source"), to=required(body, "to"), hold=_hold(body),
        at=_moment(body), waits_for_word=bool(flag(body, "waits_for_word")),
        keep_source_days=whole(body, "keep_source_days"), ends_sessions=bool(flag(body, "ends_sessions")),
    )  # fmt: skip
    async with opened(request) as scope:
        run, _ = await begin(scope, asked)
        return view(request, await requests.find_changeover(scope, run.id))


@router.get("")
async def index(request: Request) -> list[Json]:
    async with opened(request) as scope:
        return [view(request, found) for found in await requests.list_changeovers(scope, KIND)]


@router.get("/{number}")
async def show(request: Request, number: RunNumber) -> Json:
    """Live: with who is in the way just now, and who still tries to enter the source."""
    async with opened(request) as scope:
        found = await requests.find_changeover(scope, number)
        old = await look_at_old_side(scope, found.row)
        return {
            **view(request, found),
            "in_the_way": await in_the_way(scope, found),
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
