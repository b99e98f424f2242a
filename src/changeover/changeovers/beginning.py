"""Beginning a changeover of one of our databases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from changeover.changeovers.plan import ChangeoverPlan, plan_changeover
from changeover.changeovers.timing import AT_ONCE
from changeover.errors import NotAvailable
from changeover.platform.scope import Scope
from changeover.runs.starting import start_run
from changeover.store import query
from changeover.store.rows import RunRow

KIND, FIRST_STEP, METHOD = "changeover", "check", "follower"


@dataclass(frozen=True)
class ChangeoverRequest:
    """What is asked for. `to` is a plan, or the name of an existing follower."""

    app: str
    source: str
    to: str
    hold: str
    at: datetime | None = None
    """When the pause may begin; None: as soon as the target has caught up."""
    waits_for_word: bool = False
    """The pause begins when a user says so."""
    keep_source_days: int | None = None
    """Afterwards the source is destroyed; None: it stays until a user destroys it."""
    ends_sessions: bool = False
    """Those with an open transaction are ended instead of waited for."""


async def begin(scope: Scope, request: ChangeoverRequest) -> tuple[RunRow, ChangeoverPlan]:
    """Start it. Raises what `plan_changeover` does, NotAvailable when a check failed, RunConflict."""
    plan = await plan_changeover(
        scope, app_key=request.app, source_key=request.source, to=request.to, hold=request.hold
    )
    failed = [finding for finding in plan.findings if finding.result == "failed"]
    if failed:
        raise NotAvailable(
            f"{plan.source.name} can't be moved now.",
            why="\n".join(finding.what for finding in failed),
            fix="\n".join(finding.fix for finding in failed if finding.fix),
        )
    run = await start_run(
        scope.db, kind=KIND, first_step=FIRST_STEP, subject=plan.source.name, app=plan.app,
        account_id=scope.caller.id, host=scope.parts.host,
        given={"source_id": str(plan.source.id), "account_id": str(scope.caller.id)},
    )  # fmt: skip
    await query.execute(
        scope.db, "changeovers.add",
        run_id=run.id, method=METHOD, source_id=plan.source.id, source_name=plan.source.name,
        target_id=plan.target.id if plan.target else None, target_name=plan.target.name if plan.target else None,
        target_app_id=plan.app.id, plan=plan.new_plan.full_name if plan.new_plan else None, hold=request.hold,
        go_at=None if request.waits_for_word else request.at or AT_ONCE, keep_source_days=request.keep_source_days,
        ends_sessions=request.ends_sessions, prediction=Jsonb(plan.as_dict()),
    )  # fmt: skip
    scope.started.append(run)
    return run, plan
