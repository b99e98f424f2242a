"""What people can do with changeovers: plan one, begin it, look at it, let the pause begin, call it off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg.types.json import Jsonb

from changeover.changeovers.plan import Plan, plan_changeover
from changeover.errors import NotAvailable, NotFound, PastReturn
from changeover.platform.apps import find_app
from changeover.platform.progress import find_visible_run, visible_runs
from changeover.platform.scope import Scope
from changeover.runs.starting import cancel_run, start_run
from changeover.store import query
from changeover.store.rows import ChangeoverRow, RunRow

MOST_LISTED = 50
KIND, FIRST_STEP = "changeover", "look"
AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)
"""A `go_at` that is always over, even when the clock is set back meanwhile."""


@dataclass(frozen=True)
class Wish:
    """What somebody asks for. `to` is a plan, or the name of a follower that is there already."""

    app: str
    source: str
    to: str
    hold: str
    at: datetime | None = None
    """When the pause may begin; None: as soon as the target has caught up."""
    waits_for_word: bool = False
    """The pause begins when somebody says so."""
    keep_source_days: int | None = None
    """Afterwards the source is destroyed; None: it stays until somebody destroys it."""
    ends_sessions: bool = False
    """Those with an open transaction are ended instead of waited for."""


async def begin(scope: Scope, wish: Wish) -> tuple[RunRow, Plan]:
    """Start it. Raises what `plan_changeover` does, NotAvailable when a check failed, RunConflict."""
    plan = await plan_changeover(scope, app_key=wish.app, source_key=wish.source, to=wish.to, hold=wish.hold)
    failed = [check for check in plan.checks if check.result == "failed"]
    if failed:
        raise NotAvailable(
            f"{plan.source.name} can't be moved now.",
            why="\n".join(f"{check.says}" for check in failed),
            fix="\n".join(check.fix for check in failed if check.fix),
        )
    run = await start_run(
        scope.db, kind=KIND, first_step=FIRST_STEP, subject=plan.source.name, app=plan.app,
        account_id=scope.caller.id, host=scope.parts.host,
        given={"source_id": str(plan.source.id), "account_id": str(scope.caller.id)},
    )  # fmt: skip
    await query.execute(
        scope.db, "changeovers.add",
        run_id=run.id, source_id=plan.source.id, source_name=plan.source.name,
        target_id=plan.target.id if plan.target else None, target_name=plan.target.name if plan.target else None,
        target_app_id=plan.app.id, plan=plan.new_plan.full_name if plan.new_plan else None, hold=wish.hold,
        go_at=None if wish.waits_for_word else wish.at or AT_ONCE, keep_source_days=wish.keep_source_days,
        ends_sessions=wish.ends_sessions, prediction=Jsonb(plan.as_dict()),
    )  # fmt: skip
    scope.started.append(run)
    return run, plan


@dataclass(frozen=True)
class Seen:
    """A changeover and its run."""

    row: ChangeoverRow
    run: RunRow

    @property
    def go_at(self) -> datetime | None:
        """From when on the pause may begin; None: not before somebody says so."""
        return max(self.row.go_at, self.run.created_at) if self.row.go_at is not None else None


async def list_changeovers(scope: Scope) -> list[Seen]:
    """The newest first, of all apps that the caller may see."""
    runs = await visible_runs(scope, kind=KIND, most=MOST_LISTED)
    rows = await query.rows(scope.db, ChangeoverRow, "changeovers.of_runs", runs=[run.id for run in runs])
    by_run = {row.run_id: row for row in rows}
    return [Seen(by_run[run.id], run) for run in runs]


async def find_changeover(scope: Scope, number: int) -> Seen:
    """Raises NotFound, also for those of apps that the caller may not see."""
    run = await find_visible_run(scope, number, kind=KIND)
    row = await query.one(scope.db, ChangeoverRow, "changeovers.find", run_id=number) if run is not None else None
    if row is None or run is None:
        raise NotFound(
            "Couldn't find that changeover.", fix="`changeover changeovers` lists them.", resource="changeover"
        )
    return Seen(row, run)


async def go(scope: Scope, number: int, *, ends_sessions: bool = False) -> Seen:
    """Let the pause begin as soon as the target has caught up, or try again now. Raises NotAvailable when it has ended."""
    seen = await _unfinished(scope, number)
    await query.execute(scope.db, "changeovers.go", run_id=number, go_at=AT_ONCE, ends_sessions=ends_sessions)
    scope.started.append(seen.run)
    return await find_changeover(scope, number)


async def abort(scope: Scope, number: int) -> Seen:
    """Have everything put back as it was. Raises PastReturn, NotAvailable when it has ended."""
    seen = await _unfinished(scope, number)
    cancelled = await cancel_run(scope.db, seen.run.id)
    if cancelled is None:
        raise PastReturn(number, source=seen.row.source_name, target=seen.row.target_name or "")
    scope.started.append(cancelled)
    return await find_changeover(scope, number)


async def _unfinished(scope: Scope, number: int) -> Seen:
    seen = await find_changeover(scope, number)
    await find_app(scope, str(seen.row.target_app_id))  # to act on it takes more than to see it
    if seen.run.finished_at is not None:
        raise NotAvailable(f"Changeover {number} has ended: it is {seen.run.status}.", fix="Begin a new one.")
    return seen
