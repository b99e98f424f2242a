"""The Scheduler add-on: an app's jobs, which run as one-off dynos. Times are UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from changeover.cli.resolve import Record
from changeover.cli.session import Session, command, takes_app
from changeover.cli.terminal import Column, action, paint, say, table
from changeover.client import segment

HOLDERS = {"maintenance": "Held by maintenance mode until", "hand": "Held until"}
ENDINGS = {"maintenance": "maintenance:off", "hand": "scheduler:resume"}


def path_of(app: str) -> str:
    return f"/changeover/v1/apps/{segment(app)}/scheduler"


@command()
@takes_app
def index(session: Session, *, app: str) -> None:
    """List an app's scheduled jobs, with their next time and last dyno."""
    found = session.client.get(path_of(app))
    session.tell(found, lambda: _show(found, app))


def _show(found: Record, app: str) -> None:
    holder = found["held_by"]
    if not found["jobs"]:
        say(f"{paint('app', app)} has no scheduled jobs.")
    else:
        columns = [
            Column("ID", lambda job: str(job["id"])),
            Column("Schedule", lambda job: job["schedule"]),
            Column("Command", lambda job: job["command"]),
            Column("Size", lambda job: job["size"]),
            Column("Next run", lambda job: "held" if holder else _moment(job["next_at"])),
            Column("Last run", _last_run),
        ]
        table(found["jobs"], columns)
    if holder:
        say(f"{HOLDERS[holder]} {paint('code', f'changeover {ENDINGS[holder]} -a {app}')}.")


def _moment(iso: str) -> str:
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _last_run(job: Record) -> str:
    return f"{_moment(job['last_at'])}, {job['last_dyno']}" if job["last_at"] else "none"


@command()
@click.argument("job_command", metavar="COMMAND")
@takes_app
@click.option("--every", metavar="10m|hourly|daily", help="Interval.")
@click.option("--at", metavar=":MM|HH:MM", help="With --every: the minute (hourly) or the time (daily).")
@click.option("--cron", metavar="'M H D M W'", help="Cron expression instead: minute, hour, day, month, weekday.")
@click.option("--size", "-s", help="Dyno size.")
def add(
    session: Session,
    *,
    job_command: str,
    app: str,
    every: str | None,
    at: str | None,
    cron: str | None,
    size: str | None,
) -> None:
    """Schedule a command: `scheduler:add "rake report" --every daily --at 04:00`. Times are UTC."""
    given = {"command": job_command, "every": every, "at": at, "cron": cron, "size": size}
    with action(f"Scheduling {paint('code', job_command)} on {paint('app', app)}") as doing:
        job = session.client.post(
            f"{path_of(app)}/jobs", {key: value for key, value in given.items() if value is not None}
        )
        doing.says = f"done, job {job['id']}, {job['schedule']}"
    session.tell(job, lambda: say(f"Its next run is at {_moment(job['next_at'])}."))


@command()
@click.argument("job")
@takes_app
def remove(session: Session, *, job: str, app: str) -> None:
    """Remove a scheduled job. Its running dynos continue."""
    with action(f"Removing job {job} from {paint('app', app)}"):
        gone = session.client.delete(f"{path_of(app)}/jobs/{segment(job)}")
    session.tell(gone, lambda: None)


@command()
@click.argument("job")
@takes_app
def run(session: Session, *, job: str, app: str) -> None:
    """Run a scheduled job now, in addition to its schedule. Works even while jobs are held."""
    with action(f"Running job {job} on {paint('app', app)}") as doing:
        dyno = session.client.post(f"{path_of(app)}/jobs/{segment(job)}/actions/run")
        doing.says = f"done, {dyno['name']}"
    see = paint("code", f"changeover logs --app {app} --dyno {dyno['name']}")
    session.tell(dyno, lambda: say(f"Run {see} to view the output."))


@command()
@takes_app
def hold(session: Session, *, app: str) -> None:
    """Hold an app's scheduled jobs until scheduler:resume."""
    with action(f"Holding the scheduled jobs of {paint('app', app)}"):
        held = session.client.post(f"{path_of(app)}/actions/hold")
    session.tell(held, lambda: say_running(held))


@command()
@takes_app
def resume(session: Session, *, app: str) -> None:
    """Resume an app's scheduled jobs. Jobs that were due in the meantime are not run late."""
    with action(f"Resuming the scheduled jobs of {paint('app', app)}"):
        going = session.client.post(f"{path_of(app)}/actions/resume")
    session.tell(going, lambda: None)


def say_running(found: Record) -> None:
    """The running dynos of jobs that started before the hold."""
    names = found["running"]
    say(f"Scheduler dynos that are still running: {', '.join(names)}." if names else "No scheduler dyno is running.")
