"""Long work as its users see it: which runs there are, how far they are, why one failed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg_pool import AsyncConnectionPool

from changeover.errors import NotFound, Reported
from changeover.platform.apps import find_app, list_apps
from changeover.platform.rights import may_access
from changeover.platform.scope import Scope
from changeover.runs.run import Step, Workflow
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import App, JournalRow, RunRow

MOST_LISTED = 100
POLL_S = 0.03


@dataclass(frozen=True)
class RunView:
    """A run with its journal and the table of its steps."""

    row: RunRow
    journal: Sequence[JournalRow]
    steps: tuple[Step, ...]
    progress: dict[str, Any] | None
    """Phase, things, bytes, rate, time left; None for kinds that don't count them."""


async def list_runs(scope: Scope, app_key: str | None = None) -> Sequence[RunRow]:
    """The newest first, of one app or of all that the caller may see."""
    app = (await find_app(scope, app_key)).name if app_key else None
    mine = None if scope.caller.is_operator else [one.name for one in await list_apps(scope)]
    return await query.rows(scope.db, RunRow, "runs.recent", app=app, apps=mine, most=MOST_LISTED)


async def find_run(scope: Scope, run_id: int, workflows: Mapping[str, Workflow]) -> RunView:
    """Raises NotFound, also for the runs of apps that the caller may not see."""
    row = await query.one(scope.db, RunRow, "runs.find", id=run_id)
    if row is None or not await _may_see(scope, row):
        raise NotFound("Couldn't find that run.", fix="`changeover runs` lists them.", resource="run")
    journal = await query.rows(scope.db, JournalRow, "runs.journal", id=run_id)
    [progress] = await query.values(scope.db, "runs.progress", id=run_id)
    return RunView(row, journal, workflows[row.kind].steps, progress)


async def run_under_way(scope: Scope, subject: str) -> RunRow | None:
    return await query.one(scope.db, RunRow, "runs.unfinished_of", subject=subject)


async def has_unfinished_runs(db: Db) -> bool:
    [is_any] = await query.values(db, "runs.is_any_unfinished")
    return bool(is_any)


async def failure_of(scope: Scope, subject: str) -> dict[str, Any] | None:
    """Why the newest run of that add-on (name or id) failed; None when it did not, or is not the caller's to know."""
    row = await query.one(scope.db, RunRow, "runs.latest_of", subject=subject)
    if row is None or row.error is None or not await _may_see(scope, row):
        return None
    return row.error


async def wait_for_run(pool: AsyncConnectionPool[Any], run_id: int, *, most_s: float) -> bool:
    """Whether it was done within that time; raises what it failed of (as Reported). Looks again every few hundredths."""
    deadline = asyncio.get_running_loop().time() + most_s
    while True:
        async with pool.connection() as db:
            row = await query.only(db, RunRow, "runs.find", id=run_id)
        if row.status == "done":
            return True
        if row.status == "failed":
            raise Reported(row.error or {})
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(POLL_S)


async def _may_see(scope: Scope, row: RunRow) -> bool:
    if scope.caller.is_operator:
        return True
    app = await query.one(scope.db, App, "apps.find", key=row.app) if row.app else None
    return app is not None and await may_access(scope, app.id)
