"""What users can do with changeovers of every kind: list them, look at one, let its pause begin, abort it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from changeover.changeovers.timing import AT_ONCE
from changeover.errors import ChangeoverError, NotAvailable, NotFound, PastReturn
from changeover.platform.apps import find_app
from changeover.platform.progress import find_visible_run, visible_runs
from changeover.platform.scope import Scope
from changeover.runs.starting import cancel_run
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow
from changeover.store.rows import RunRow

MOST_LISTED = 50
OF_KIND = {"changeover": None, "migration": "migrate"}
"""What users call it, and the only kind of run that is meant; None: any."""


@dataclass(frozen=True)
class Changeover:
    """A changeover and its run."""

    row: ChangeoverRow
    run: RunRow

    @property
    def go_at(self) -> datetime | None:
        """From when on the pause may begin; None: not before a user says so."""
        return max(self.row.go_at, self.run.created_at) if self.row.go_at is not None else None

    @property
    def held_since(self) -> datetime | None:
        """Since when writers have been held; None while none are."""
        row = self.row
        is_held = row.held is not None and row.hold != "none" and row.released_at is None
        return row.held_at if is_held and self.run.finished_at is None else None

    @property
    def stopped(self) -> dict[str, Any] | None:
        """Why it stopped, as the body of an error, with what is held and how to continue. None unless it has stopped."""
        stopped, since = self.row.stopped, self.held_since
        if stopped is None or since is None:
            return stopped
        fix = [str(stopped["fix"]), f"The source's writers have been held since {since:%Y-%m-%d %H:%M:%S} UTC."]
        if self.run.is_past_return:
            fix.append("The same command continues from here.")
        else:
            fix.append(
                "The same command continues from here. With --abort they write again, and what was made is removed."
            )
        error = ChangeoverError(str(stopped["what"]), why=str(stopped["why"]), fix=" ".join(filter(None, fix)))
        return {**stopped, "fix": error.fix, "message": error.message}


async def list_changeovers(scope: Scope, kind: str) -> Sequence[Changeover]:
    """The newest first, of all that the caller may see. `kind`: of steps.KINDS."""
    runs = await visible_runs(scope, kind=kind, most=MOST_LISTED)
    rows = await query.rows(scope.db, ChangeoverRow, "changeovers.of_runs", runs=[run.id for run in runs])
    by_run = {row.run_id: row for row in rows}
    return [Changeover(by_run[run.id], run) for run in runs]


async def find_changeover(scope: Scope, number: int, what: str = "changeover") -> Changeover:
    """A `changeover` of any kind, or a `migration`. Raises NotFound, also for those that the caller may not see."""
    run = await find_visible_run(scope, number, kind=OF_KIND[what])
    row = await query.one(scope.db, ChangeoverRow, "changeovers.find", run_id=number) if run is not None else None
    if row is None or run is None:
        raise NotFound(f"Couldn't find that {what}.", fix=f"`changeover {what}s` lists them.", resource=what)
    return Changeover(row, run)


async def go(scope: Scope, number: int, *, ends_sessions: bool = False) -> Changeover:
    """Let the pause begin as soon as the target is ready. Raises NotAvailable when it has ended or is being undone.

    One between addresses continues only with both of them: the user must still be able to reach them.
    """
    found = await _unfinished(scope, number)
    if found.row.source_url is not None:
        raise NotAvailable(
            f"Changeover {number} is between two addresses.", fix="Run the same `changeover migrate` command."
        )
    if found.run.status == "undoing":
        raise NotAvailable(f"Changeover {number} is being undone.", fix="Begin a new one once it has ended.")
    await query.execute(scope.db, "changeovers.go", run_id=number, go_at=AT_ONCE, ends_sessions=ends_sessions)
    scope.started.append(found.run)
    return await find_changeover(scope, number)


async def abort(scope: Scope, number: int, what: str = "changeover") -> Changeover:
    """Have everything put back as it was, on both sides. Raises PastReturn, NotAvailable when it has ended."""
    found = await _unfinished(scope, number, what)
    cancelled = await cancel_run(scope.db, found.run.id)
    if cancelled is None and found.row.source_url is not None:
        raise NotAvailable(
            f"Migration {number} can no longer be aborted: it is past the point of no return.",
            why="Its writers were led to the target, or are about to be.",
            fix="Run the same `changeover migrate` command: it continues.",
        )
    if cancelled is None:
        raise PastReturn(number, source=found.row.source_name, target=found.row.target_name or "")
    scope.started.append(cancelled)
    return await find_changeover(scope, number, what)


async def _unfinished(scope: Scope, number: int, what: str = "changeover") -> Changeover:
    found = await find_changeover(scope, number, what)
    if found.row.target_app_id is not None:
        await find_app(scope, str(found.row.target_app_id))  # to act on it takes more than to see it
    if found.run.finished_at is not None:
        raise NotAvailable(f"{what.capitalize()} {number} has ended: it is {found.run.status}.", fix="Begin a new one.")
    return found
