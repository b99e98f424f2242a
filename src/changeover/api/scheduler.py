"""The Scheduler of an app. This API is ours, because Heroku has none for it."""

from __future__ import annotations

from fastapi import APIRouter, Request

from changeover.api.bodies import Body, text
from changeover.api.desk import opened
from changeover.api.moments import iso, maybe_iso
from changeover.api.views import Json
from changeover.platform import scheduling as platform
from changeover.platform.apps import find_app
from changeover.platform.schedules import cron_of, in_words
from changeover.platform.scope import Scope
from changeover.platform.things import App, ScheduledJob

router = APIRouter(prefix="/changeover/v1/apps/{app}/scheduler")


def job_view(job: ScheduledJob) -> Json:
    return {
        "id": job.id,
        "command": job.command,
        "schedule": in_words(job.cron),
        "cron": job.cron,
        "size": job.size,
        "next_at": iso(job.next_at),
        "last_at": maybe_iso(job.last_at),
        "last_dyno": job.last_dyno,
        "created_at": iso(job.created_at),
    }


async def view(scope: Scope, app: App) -> Json:
    """`held_by` is null, "maintenance" or "hand". While it is set, jobs do not run at `next_at`."""
    scheduler = await platform.find_scheduler(scope, app)
    return {
        "addon": {"id": str(scheduler.addon_id)},
        "app": {"id": str(app.id), "name": app.name},
        "held_by": scheduler.held_by,
        "running": platform.running_dynos(scope.parts, app),
        "jobs": [job_view(job) for job in await platform.jobs_of(scope, app)],
    }


@router.get("")
async def show(request: Request, app: str) -> Json:
    async with opened(request) as scope:
        return await view(scope, await find_app(scope, app))


@router.post("/jobs", status_code=201)
async def add(request: Request, app: str, body: Body) -> Json:
    every, at, cron = (text(key, body.get(key)) for key in ("every", "at", "cron"))
    async with opened(request) as scope:
        found = await find_app(scope, app)
        command = text("command", body.get("command")) or ""
        schedule = cron_of(every=every, at=at, cron=cron)
        return job_view(await platform.add_job(scope, found, command, schedule, text("size", body.get("size"))))


@router.delete("/jobs/{job}")
async def remove(request: Request, app: str, job: str) -> Json:
    async with opened(request) as scope:
        found = await platform.find_job(scope, await find_app(scope, app), job)
        await platform.remove_job(scope, found)
        return job_view(found)


@router.post("/jobs/{job}/actions/run", status_code=201)
async def run(request: Request, app: str, job: str) -> Json:
    async with opened(request) as scope:
        found = await find_app(scope, app)
        dyno = await platform.start_job(scope.db, scope.parts, found, await platform.find_job(scope, found, job))
        return {"name": dyno.name, "command": dyno.command, "release": dyno.release, "size": dyno.size}


@router.post("/actions/hold")
async def hold(request: Request, app: str) -> Json:
    async with opened(request) as scope:
        found = await find_app(scope, app)
        await platform.find_scheduler(scope, found)
        await platform.hold_jobs(scope, found, "hand")
        return await view(scope, found)


@router.post("/actions/resume")
async def resume(request: Request, app: str) -> Json:
    async with opened(request) as scope:
        found = await find_app(scope, app)
        await platform.find_scheduler(scope, found)
        await platform.resume_jobs(scope, found)
        return await view(scope, found)
