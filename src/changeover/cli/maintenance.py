"""Maintenance mode: show, enable, disable, with or without the scheduled jobs."""

from __future__ import annotations

import click

from changeover.cli.scheduler import path_of, say_running
from changeover.cli.session import Session, command, takes_app
from changeover.cli.terminal import action, paint, say
from changeover.client import segment
from changeover.errors import ChangeoverError


@command()
@takes_app
def index(session: Session, *, app: str) -> None:
    """Show whether maintenance mode is on."""
    is_on = bool(session.client.get(f"/apps/{segment(app)}").get("maintenance"))
    session.tell({"maintenance": is_on}, lambda: say("on" if is_on else "off"))


@command()
@takes_app
@click.option("--scheduler-off", is_flag=True, help="Also hold scheduled jobs until maintenance:off.")
def on(session: Session, *, app: str, scheduler_off: bool) -> None:
    """Answer all requests with the maintenance page. Workers continue; scale them down if they must not write."""
    body = {"maintenance": True} | ({"scheduler": False} if scheduler_off else {})
    with action(f"Enabling maintenance mode for {paint('app', app)}"):
        changed = session.client.patch(f"/apps/{segment(app)}", body)
    session.tell(changed, lambda: _say_jobs(session, app) if scheduler_off else None)


def _say_jobs(session: Session, app: str) -> None:
    try:
        found = session.client.get(path_of(app))
    except ChangeoverError as error:
        if error.id != "not_found":
            raise
        say(f"{paint('app', app)} has no Scheduler, so it has no jobs to hold.")
        return
    say(f"Scheduled jobs held: {len(found['jobs'])}.")
    say_running(found)


@command()
@takes_app
def off(session: Session, *, app: str) -> None:
    """Send requests to the app again, and resume held scheduled jobs."""
    with action(f"Disabling maintenance mode for {paint('app', app)}"):
        changed = session.client.patch(f"/apps/{segment(app)}", {"maintenance": False})
    session.tell(changed, lambda: None)
