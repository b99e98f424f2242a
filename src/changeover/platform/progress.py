"""Runs as users see them: which there are, their progress, why one failed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg_pool import AsyncConnectionPool

from changeover.errors import NotFound, Reported
from changeover.platform.apps import find_app, list_apps
from changeover.platform.scope import Scope
from changeover.runs.run import Step, Workflow
from changeover.runs.slots import may_hold_another
from changeover.store import query
from changeover.store.changes import Changes
from changeover.store.query import Db
from changeover.store.rows import App, JournalRow, RunRow

MOST_LISTED = 100
UNTOLD_S = 1.0
"""A run that has ended without our being told of it is found within this time."""


@dataclass(frozen=True)
class RunView:
    """A run with its journal and its table of steps."""

    row: RunRow
    journal: Sequence[JournalRow]
    steps: tuple[Step, ...]
    progress: dict[str, Any] | None
    """Phase, things, bytes, rate, time left. None for kinds that don't report it."""


async def visible_runs(
    scope: Scope,
    *,
    number: int | None = None,
    app: App | None = None,
    kind: str | None = None,
    about: str | None = None,
    most: int = MOST_LISTED,
) -> Sequence[RunRow]:
    """The runs that the caller may see, the newest first. The only place that decides it, for runs of every kind.

    A run belongs to the app whose id it carries, whatever that app is called now: those see it who may use this app. A run
    without an app, or whose app is gone, is seen by the account that began it. The operator sees all.
    """
    mine = None if scope.caller.is_operator else [one.id for one in await list_apps(scope)]
    return await query.rows(
        scope.db, RunRow, "runs.visible",
        apps=mine, caller=scope.caller.id, id=number, app_id=app.id if app else None, kind=kind, about=about, most=most,
    )  # fmt: skip


async def find_visible_run(scope: Scope, number: int, *, kind: str | None = None) -> RunRow | None:
    """One that the caller may see; None for one of others, exactly as for one that does not exist."""
    return next(iter(await visible_runs(scope, number=number, kind=kind, most=1)), None)


async def list_runs(scope: Scope, app_key: str | None = None) -> Sequence[RunRow]:
    """The newest first, of one app or of all that the caller may see; each with what it waits for."""
    runs = await visible_runs(scope, app=await find_app(scope, app_key) if app_key else None)
    return await _with_their_turn(scope, runs)


async def find_run(scope: Scope, run_id: int, workflows: Mapping[str, Workflow]) -> RunView:
    """Raises NotFound, also for runs of apps that the caller may not see."""
    row = await find_visible_run(scope, run_id)
    if row is None:
        raise NotFound("Couldn't find that run.", fix="`changeover runs` lists them.", resource="run")
    [row] = await _with_their_turn(scope, [row])
    journal = await query.rows(scope.db, JournalRow, "runs.journal", id=run_id)
    [progress] = await query.values(scope.db, "runs.progress", id=run_id)
    return RunView(row, journal, workflows[row.kind].steps, progress)


@dataclass(frozen=True)
class _Queued:
    run_id: int
    of_account: int
    of_all: int

    @property
    def because(self) -> str:
        if may_hold_another(self.of_account, self.of_all):
            return ""  # it is its turn
        if self.of_account:
            return f"waits for a slot: {self.of_account} of your runs are in progress"
        return f"waits for a slot: {self.of_all} runs of other accounts are in progress"


async def _with_their_turn(scope: Scope, runs: Sequence[RunRow]) -> list[RunRow]:
    """The same runs. Those that wait for a slot say so."""
    unfinished = [run.id for run in runs if run.finished_at is None]
    queued = await query.rows(scope.db, _Queued, "runs.queued", ids=unfinished) if unfinished else []
    because = {one.run_id: one.because for one in queued}
    return [replace(run, waits_because=because.get(run.id) or run.waits_because) for run in runs]


async def run_under_way(scope: Scope, subject: str) -> RunRow | None:
    return await query.one(scope.db, RunRow, "runs.unfinished_of", subject=subject)


async def has_unfinished_runs(db: Db) -> bool:
    [is_any] = await query.values(db, "runs.is_any_unfinished")
    return bool(is_any)


async def failure_of(scope: Scope, subject: str) -> dict[str, Any] | None:
    """Why the newest visible run of that add-on (name or id) failed. None if it did not."""
    newest = await visible_runs(scope, about=subject, most=1)
    return newest[0].error if newest else None


async def wait_for_run(pool: AsyncConnectionPool[Any], changes: Changes, run_id: int, *, most_s: float) -> bool:
    """Whether it finished within that time. Raises the run's error as Reported."""
    row = await wait_for_end(pool, changes, run_id, most_s=most_s)
    if row.status == "failed":
        raise Reported(row.error or {})
    return row.status == "done"


async def wait_for_end(pool: AsyncConnectionPool[Any], changes: Changes, run_id: int, *, most_s: float) -> RunRow:
    """The run once it has ended, successfully or not, or its current state on timeout."""
    deadline = asyncio.get_running_loop().time() + most_s
    mark = changes.mark("runs")
    while True:
        async with pool.connection() as db:
            row = await query.only(db, RunRow, "runs.find", id=run_id)
        left_s = deadline - asyncio.get_running_loop().time()
        if row.finished_at is not None or left_s <= 0:
            return row
        mark = await changes.newer_mark("runs", mark, within_s=min(left_s, UNTOLD_S))
