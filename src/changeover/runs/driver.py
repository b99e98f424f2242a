"""Drives one run from its current step to its end, or until it has to wait. Steps are done forward or undone backward.

After a crash, the step runs again with the next driver. The session lock decides who drives; the epoch decides whose writes
count. A driver that loses its state connection stops acting.

A run that waits longer than a moment returns its connection, lock and slot. If the same driver continues it, the epoch
stays: no other worker has acted in the meantime, so work that its steps started in this process is still valid.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import OperationalError
from psycopg.types.json import Jsonb

from changeover.errors import ChangeoverError, InternalError, RunCancelled, ServerUnreachable, StepDeadline
from changeover.hosts.disks import full_disk_behind
from changeover.runs.run import Advance, Outcome, Run, Step, TakenOver, Wait, Workflow, add_note
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import RunRow

log = logging.getLogger(__name__)

RETRY_PAUSES_S = (0.5, 1, 2, 4, 8, 15)
HEARTBEAT_S = 2.0
LOCKED_S = 1.0
NOTED_S = 2.0
"""A longer wait without a slot is stored in the run's row, so `runs` can distinguish it from waiting for a slot."""

Connect = Callable[[], Awaitable[Db]]
Stay = Callable[[float, bool], Awaitable[float]]
"""Waits these seconds (urgently or not). Returns the rest if the run has to wait without a slot, else 0."""


async def stay_here(seconds: float, _is_urgent: bool) -> float:
    """For a driver without slots."""
    await asyncio.sleep(seconds)
    return 0.0


@dataclass(frozen=True)
class _Parked:
    epoch: int
    failures: int
    step_began: float


class Driver:
    """Drives runs of the given workflows. Each `drive` call drives one run with its own state connection."""

    def __init__(self, connect: Connect, workflows: Mapping[str, Workflow]) -> None:
        self._connect = connect
        self._workflows = workflows
        self._parked: dict[int, _Parked] = {}

    async def drive(self, run_id: int, stay: Stay = stay_here) -> float | None:
        """Take over the run and drive it to its end. Then returns None.

        Otherwise returns the seconds to wait before it is driven again, without its lock and connection. This includes a run
        whose lock is held by another worker, whether it is dying or driving the run.
        """
        db = await self._connect()
        async with db:
            work = asyncio.create_task(self._drive(db, run_id, stay))
            pulse = asyncio.create_task(_beat_until_lost(db))
            try:
                await asyncio.wait({work, pulse}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (work, pulse):
                    task.cancel()
                ended, _ = await asyncio.gather(work, pulse, return_exceptions=True)
            if isinstance(ended, TakenOver):
                log.warning("stopped acting: taken over (%s)", ended)
            elif isinstance(ended, BaseException) and not db.closed:
                raise ended
            return ended if isinstance(ended, float) else None

    async def _drive(self, db: Db, run_id: int, stay: Stay) -> float | None:
        if await query.values(db, "runs.try_lock", id=run_id) != [True]:
            return LOCKED_S
        left = await self._locked(db, run_id, stay)
        # At once, because a closed connection keeps its lock until its server process notices.
        await query.values(db, "runs.unlock", id=run_id)
        return left

    async def _locked(self, db: Db, run_id: int, stay: Stay) -> float | None:
        parked = self._parked.pop(run_id, None)
        row = await query.one(db, RunRow, "runs.resume", id=run_id, epoch=parked.epoch) if parked else None
        if row is None:
            parked, row = None, await query.one(db, RunRow, "runs.take_over", id=run_id)
        if row is None:
            return None
        run = Run(row, db, parked.step_began if parked else _step_began(row))
        return await self._to_the_end(run, parked.failures if parked else 0, stay)

    async def _to_the_end(self, run: Run, failures: int, stay: Stay) -> float | None:
        while run.row.finished_at is None:
            failures, wait = await self._once(run, failures)
            left = await stay(wait.seconds, wait.is_urgent) if wait is not None else 0.0
            if left > 0:
                if left > NOTED_S:
                    await query.execute(run.db, "runs.park", id=run.id, epoch=run.row.epoch, seconds=left)
                self._parked[run.id] = _Parked(run.row.epoch, failures, run.step_began)
                return float(left)
        return None

    async def _once(self, run: Run, failures: int) -> tuple[int, Wait | None]:
        """Act or undo once. Returns the number of consecutive failures and the wait before the next attempt."""
        workflow = self._workflows[run.row.kind]
        step = workflow.steps[workflow.position(run.row.step)]
        try:
            if run.row.status == "undoing":
                await self._undo(run, workflow, step)
                return 0, None
            return 0, await self._act(run, workflow, step)
        except OperationalError as lost:
            if run.db.closed:
                raise
            error: ChangeoverError = full_disk_behind(lost, _without_room(run, step)) or _unreachable(lost)
        except ChangeoverError as refused:
            error = refused
        except TakenOver:
            raise
        except Exception as failure:
            log.exception("run %s failed in step %s", run.id, step.name)
            bug = InternalError(f"step {step.name} of run {run.id}")
            error = full_disk_behind(failure, _without_room(run, step)) or bug
        return await self._failed(run, step, error, failures)

    async def _act(self, run: Run, workflow: Workflow, step: Step) -> Wait | None:
        await _raise_if_cancelled(run)
        outcome: Outcome = await step.act(run)
        if isinstance(outcome, Wait):
            _raise_if_late(run, step, outcome.because)
            await self._show(run, outcome.because, outcome.percent)
            return outcome
        await _advance(run, workflow, step, outcome)
        return None

    async def _undo(self, run: Run, workflow: Workflow, step: Step) -> None:
        if step.undo is not None:
            await step.undo(run)
        position = workflow.position(step.name)
        if position == 0:
            await _change(run, "finish", "failed", _why(run), status="failed")
        else:
            before = workflow.steps[position - 1].name
            await _change(run, "move", "undone" if step.undo else "", "", step=before, status="undoing")

    async def _failed(self, run: Run, step: Step, error: ChangeoverError, failures: int) -> tuple[int, Wait | None]:
        """Retry or turn back. While undoing, and past the point of no return, always retries, so nothing stays half done."""
        undoing = run.row.status == "undoing"
        if undoing or run.row.is_past_return or (error.retryable and not await _is_hopeless(run, step)):
            pause = RETRY_PAUSES_S[min(failures, len(RETRY_PAUSES_S) - 1)]
            await self._show(run, f"{error.what} {error.why} Trying again.", None)
            if failures == 0:
                await run.note("retry", error.message)
            return failures + 1, Wait(pause, error.what, is_urgent=undoing or run.row.is_past_return)
        await _change(run, "turn_back", "turned back", error.message, error=Jsonb(error.as_dict()))
        return 0, None

    async def _show(self, run: Run, because: str, percent: int | None) -> None:
        if (run.row.waits_because, run.row.percent) != (because, percent):
            await _change(run, "wait", "", "", because=because, percent=percent)


async def _advance(run: Run, workflow: Workflow, step: Step, outcome: Advance) -> None:
    position = workflow.position(step.name) + 1
    if position == len(workflow.steps):
        await _change(run, "finish", "done", outcome.note, status="done")
    else:
        await _change(run, "move", "done", outcome.note, step=workflow.steps[position].name, status="running")


async def _change(run: Run, statement: str, event: str, detail: str, **values: Any) -> None:
    """Change the row and write its journal entry in one transaction. The entry belongs to the step that ends."""
    async with run.transaction() as db:
        if event:
            await add_note(db, run.row, event, detail)
        changed = await query.only(db, RunRow, f"runs.{statement}", id=run.id, epoch=run.row.epoch, **values)
    run.row = changed
    if statement == "move":
        run.step_began = time.monotonic()


async def _raise_if_cancelled(run: Run) -> None:
    if await query.values(run.db, "runs.is_cancelled", id=run.id) == [True]:
        raise RunCancelled(run.row.subject)


def _step_began(row: RunRow) -> float:
    """Now, for a run that was never driven. Otherwise by the wall clock, which may have been set since."""
    age_s = 0.0 if row.epoch == 1 else max(0.0, (datetime.now(UTC) - row.step_began_at).total_seconds())
    return time.monotonic() - age_s


def _is_late(run: Run, step: Step) -> bool:
    return time.monotonic() - run.step_began > step.deadline_s


async def _is_hopeless(run: Run, step: Step) -> bool:
    [retries] = await query.values(run.db, "runs.retries", id=run.id, step=step.name)
    return _is_late(run, step) or retries >= step.most_retries


def _raise_if_late(run: Run, step: Step, because: str) -> None:
    if _is_late(run, step):
        raise StepDeadline(
            f"“{step.says}” took longer than {step.deadline_s:.0f} seconds for {run.row.subject}.",
            why=f"It was waiting: {because}.",
            fix="Correct what it waited for, then try again.",
        )


def _without_room(run: Run, step: Step) -> str:
    return f"A disk is full: “{step.says}” could not continue for {run.row.subject}."


def _unreachable(lost: OperationalError) -> ChangeoverError:
    return ServerUnreachable(
        "A database server does not answer.", why=str(lost).strip().splitlines()[0] if str(lost) else ""
    )


def _why(run: Run) -> str:
    return str((run.row.error or {}).get("what", ""))


async def _beat_until_lost(db: Db) -> None:
    """Returns when the state connection is lost. Without it, this driver must not act."""
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        try:
            await db.execute("SELECT 1")
        except OperationalError:
            log.warning("lost the state connection: stopped driving the run")
            return
