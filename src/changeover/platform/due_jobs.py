"""Starts scheduled jobs when they are due, each due time at most once.

A job's next time is advanced and committed before its dyno is started. A worker that is killed in between loses that
execution, but never starts it twice. Times that were missed while no worker was running count as one. A job whose previous
execution is still running is skipped, with a line in the app's log. So executions neither pile up nor get interrupted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from changeover.errors import ChangeoverError
from changeover.platform.schedules import next_time
from changeover.platform.scheduling import start_job
from changeover.platform.scope import Parts
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import SCHEDULER, App, ScheduledJob

SOONEST_S, LATEST_S = 0.1, 30.0
"""When to check again: at the next due time, but soon enough for a job whose notification was lost."""
CLOCKS_DIFFER = timedelta(minutes=1)
"""A job may have been claimed a moment before it was due."""


async def start_due_jobs(parts: Parts, pool: AsyncConnectionPool[Any]) -> float:
    """Start what is due. Returns the number of seconds until the next check."""
    async with pool.connection() as db:
        due = await query.rows(db, ScheduledJob, "scheduler.due")
    for job in due:
        async with pool.connection() as db, _starting(db, job.app_id) as is_ours:
            if is_ours and (claimed := await _claim(db, job)):
                await _start(db, parts, claimed)
    async with pool.connection() as db:
        [seconds] = await query.values(db, "scheduler.seconds_until_next")
    return LATEST_S if seconds is None else min(max(seconds, SOONEST_S), LATEST_S)


async def bring_jobs_forward(pool: AsyncConnectionPool[Any]) -> None:
    """Correct times planned while the clock was ahead. After it is set back, no job waits for that time to come again."""
    async with pool.connection() as db:
        for job in await query.rows(db, ScheduledJob, "scheduler.jobs"):
            soonest = next_time(job.cron, datetime.now(UTC) + CLOCKS_DIFFER)
            await query.execute(db, "scheduler.bring_forward", id=job.id, next_at=soonest)


@asynccontextmanager
async def _starting(db: Db, app_id: UUID) -> AsyncIterator[bool]:
    """Whether the app's jobs may be started now. Not while a user is holding or resuming them."""
    [is_ours] = await query.values(db, "scheduler.try_lock_starting", app_id=app_id)
    try:
        yield is_ours
    finally:
        if is_ours and not db.closed:
            await query.values(db, "scheduler.unlock_starting", app_id=app_id)


async def _claim(db: Db, job: ScheduledJob) -> ScheduledJob | None:
    """Its next time is the first one in the future, even if our clock is behind the state's."""
    following = next_time(job.cron, max(job.next_at, datetime.now(UTC)))
    claimed = await query.one(db, ScheduledJob, "scheduler.claim", id=job.id, due_at=job.next_at, next_at=following)
    await db.commit()
    return claimed


async def _start(db: Db, parts: Parts, job: ScheduledJob) -> None:
    app = await query.one(db, App, "apps.find", key=str(job.app_id))
    if app is None:
        return
    former = parts.dynos.one_off(str(app.id), job.last_dyno) if job.last_dyno else None
    if former is not None and former.state == "running":
        _say(parts, app, f"Skipped `{job.command}` (job {job.id}): its previous run, {former.name}, is still running")
        return
    try:
        await start_job(db, parts, app, job)
    except ChangeoverError as error:
        _say(parts, app, f"Skipped `{job.command}` (job {job.id}): {error.what} {error.why}".rstrip())


def _say(parts: Parts, app: App, text: str) -> None:
    parts.logs.append(str(app.id), "heroku", SCHEDULER, text)
