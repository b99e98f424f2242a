"""An app's Scheduler: adding, removing, running and holding its jobs. due_jobs.py starts them when they are due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from changeover.errors import InvalidParams, NotFound
from changeover.platform.dynos import one_off
from changeover.platform.formation import checked_size
from changeover.platform.schedules import next_time
from changeover.platform.scope import Parts, Scope
from changeover.runtime.runtime import Dyno
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import SCHEDULER, App, ScheduledJob, Scheduler

DEFAULT_SIZE = "Basic"
Holder = Literal["maintenance", "hand"]


async def find_scheduler(scope: Scope, app: App) -> Scheduler:
    """Raises NotFound for an app without the add-on."""
    found = await query.one(scope.db, Scheduler, "scheduler.of_app", app_id=app.id)
    if found is None:
        raise NotFound(
            f"{app.name} has no Scheduler.",
            fix=f"`changeover addons:create {SCHEDULER} -a {app.name}`",
            resource="add_on",
        )
    return found


async def require_no_scheduler(scope: Scope, app: App) -> None:
    """Prevents others from adding one until the transaction ends. Raises InvalidParams."""
    await query.values(scope.db, "apps.lock", id=app.id)
    if await query.one(scope.db, Scheduler, "scheduler.of_app", app_id=app.id):
        raise InvalidParams(
            f"{app.name} already has the Scheduler.",
            why="An app can have it only once.",
            fix=f"Add jobs to it: `changeover scheduler:add COMMAND --every hourly -a {app.name}`.",
        )


async def jobs_of(scope: Scope, app: App) -> Sequence[ScheduledJob]:
    return await query.rows(scope.db, ScheduledJob, "scheduler.jobs", app_id=app.id)


async def find_job(scope: Scope, app: App, key: str) -> ScheduledJob:
    """Raises NotFound."""
    await find_scheduler(scope, app)
    job = await query.one(scope.db, ScheduledJob, "scheduler.job", app_id=app.id, key=key)
    if job is None:
        raise NotFound(
            f"Couldn't find that scheduled job ({key}).", fix=f"`changeover scheduler -a {app.name}` lists them.",
            resource="scheduled_job",
        )  # fmt: skip
    return job


async def add_job(scope: Scope, app: App, command: str, cron: str, size: str | None) -> ScheduledJob:
    """Raises NotFound without the add-on, InvalidParams."""
    await find_scheduler(scope, app)
    if not command.strip() or not command.isprintable():
        raise InvalidParams(
            "The command of a scheduled job must be one line of printable text.", fix="Put longer commands in a script."
        )
    return await query.only(
        scope.db, ScheduledJob, "scheduler.add_job",
        app_id=app.id, command=command, cron=cron, size=checked_size(size or DEFAULT_SIZE),
        next_at=next_time(cron, datetime.now(UTC)),
    )  # fmt: skip


async def remove_job(scope: Scope, job: ScheduledJob) -> None:
    """A running dyno of the job continues."""
    await query.execute(scope.db, "scheduler.remove_job", id=job.id)


async def start_job(db: Db, parts: Parts, app: App, job: ScheduledJob) -> Dyno:
    """Start it now, even if held, as a one-off of the app's current release. Raises NotAvailable (no code), RuntimeFailed."""
    dyno = await one_off(db, parts, app, job.command, extra={}, size=job.size, type_=SCHEDULER)
    await parts.dynos.run_once(dyno)
    await query.execute(db, "scheduler.note_start", id=job.id, dyno=dyno.name)
    return dyno


def running_dynos(parts: Parts, app: App) -> list[str]:
    """The names of the app's running scheduler dynos."""
    found = [once.name for once in parts.dynos.one_offs(str(app.id)) if once.state == "running"]
    return [name for name in found if name.startswith(f"{SCHEDULER}.")]


async def hold_jobs(scope: Scope, app: App, by: Holder) -> bool:
    """Start no jobs from now on. False if there is no Scheduler, or another holder already holds it.

    A job that was just being started is running when this returns.
    """
    scheduler = await _locked(scope, app)
    if scheduler is None or scheduler.held_by is not None:
        return False
    await query.execute(scope.db, "scheduler.set_held", app_id=app.id, held_by=by)
    return True


async def resume_jobs(scope: Scope, app: App, by: Holder | None = None) -> None:
    """End the hold of `by`, or any. Jobs that were due in the meantime are not run late. They run at their next time."""
    scheduler = await _locked(scope, app)
    if scheduler is None or scheduler.held_by is None or by not in (None, scheduler.held_by):
        return
    for job in await jobs_of(scope, app):
        await query.execute(scope.db, "scheduler.put_off", id=job.id, next_at=next_time(job.cron, datetime.now(UTC)))
    await query.execute(scope.db, "scheduler.set_held", app_id=app.id, held_by=None)


async def follow_maintenance(scope: Scope, app: App, runs_jobs: bool | None) -> None:
    """Jobs continue in maintenance mode unless `runs_jobs` is False. They resume when it ends. Raises InvalidParams."""
    if runs_jobs is False and not app.is_in_maintenance:
        raise InvalidParams(
            f"{app.name} is not in maintenance mode.",
            why="Its scheduled jobs would only resume when maintenance mode ends.",
            fix=f"Switch it on (`changeover maintenance:on --scheduler-off -a {app.name}`), or hold them yourself: "
            f"`changeover scheduler:hold -a {app.name}`.",
        )
    if runs_jobs is False:
        await hold_jobs(scope, app, "maintenance")
    elif runs_jobs or not app.is_in_maintenance:
        await resume_jobs(scope, app, "maintenance")


async def _locked(scope: Scope, app: App) -> Scheduler | None:
    """The app's Scheduler, once none of its jobs is being started. None will be until the transaction ends."""
    await query.values(scope.db, "scheduler.keep_from_starting", app_id=app.id)
    return await query.one(scope.db, Scheduler, "scheduler.of_app", app_id=app.id)
