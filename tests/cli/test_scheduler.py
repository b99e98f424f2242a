"""The Scheduler at the command line: the list, what is sent, what maintenance mode says of jobs."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import CREATED, Plane
from tests.fix_control_plane import ControlPlane
from tests.fix_things import Things

SCHEDULER = "/changeover/v1/apps/shop/scheduler"
JOB = {
    "id": 7, "command": "rake report", "schedule": "daily at 04:00 UTC", "cron": "0 4 * * *", "size": "Basic",
    "next_at": "2026-01-02T04:00:00Z", "last_at": CREATED, "last_dyno": "scheduler.1234", "created_at": CREATED,
}  # fmt: skip


def found(**changed: Any) -> dict[str, Any]:
    return {"held_by": None, "running": [], "jobs": [JOB], **changed}


def test_the_list_says_when_a_job_runs_and_which_dyno_ran_last(typed: Keyboard, plane: Plane) -> None:
    plane.answers[f"GET {SCHEDULER}"] = found()

    [_, _, line, *_] = typed("scheduler", "-a", "shop").stdout.splitlines()

    assert [cell.strip() for cell in line.split("   ") if cell] == [
        "7", "daily at 04:00 UTC", "rake report", "Basic", "2026-01-02 04:00 UTC", "2026-01-01 00:00 UTC, scheduler.1234",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("holder", "says"),
    [
        ("maintenance", "Held by maintenance mode until changeover maintenance:off -a shop."),
        ("hand", "Held until changeover scheduler:resume -a shop."),
    ],
)
def test_the_list_says_what_holds_the_jobs(typed: Keyboard, plane: Plane, holder: str, says: str) -> None:
    plane.answers[f"GET {SCHEDULER}"] = found(held_by=holder)

    shown = typed("scheduler", "-a", "shop").stdout

    assert says in shown
    assert "2026-01-02" not in shown


def test_adding_sends_what_was_given_and_says_when_it_runs(typed: Keyboard, plane: Plane) -> None:
    plane.answers[f"POST {SCHEDULER}/jobs"] = JOB

    ended = typed("scheduler:add", "rake report", "--every", "daily", "--at", "04:00", "-a", "shop")

    assert plane.sent(f"POST {SCHEDULER}/jobs") == [{"command": "rake report", "every": "daily", "at": "04:00"}]
    assert ended.stderr == "Scheduling rake report on shop... done, job 7, daily at 04:00 UTC\n"
    assert ended.stdout == "Its next run is at 2026-01-02 04:00 UTC.\n"


@pytest.mark.parametrize(
    ("running", "says"),
    [
        (["scheduler.1234"], "Scheduler dynos that are still running: scheduler.1234.\n"),
        ([], "No scheduler dyno is running.\n"),
    ],
)
def test_maintenance_mode_says_which_jobs_are_still_under_way(
    typed: Keyboard, plane: Plane, running: list[str], says: str
) -> None:
    plane.answers["PATCH /apps/shop"] = plane.answers["GET /apps/shop"]
    plane.answers[f"GET {SCHEDULER}"] = found(held_by="maintenance", running=running)

    assert typed("maintenance:on", "--scheduler-off", "-a", "shop").stdout == f"Scheduled jobs held: 1.\n{says}"


def test_a_job_is_added_run_held_and_removed(control_plane: ControlPlane, things: Things) -> None:
    app = things.app()
    control_plane.must("addons:create", "scheduler:standard", "-a", app)
    job = str(control_plane.must("scheduler:add", "true", "--cron", "0 4 * * mon", "-a", app, "--json").json["id"])

    assert "0 4 * * mon (UTC)" in control_plane.must("scheduler", "-a", app).stdout
    assert "has no code to run" in control_plane.typed("scheduler:run", job, "-a", app).everything
    assert "No scheduler dyno is running." in control_plane.must("scheduler:hold", "-a", app).stdout
    assert "Held until" in control_plane.must("scheduler", "-a", app).stdout
    control_plane.must("scheduler:resume", "-a", app)
    control_plane.must("scheduler:remove", job, "-a", app)
    assert control_plane.must("scheduler", "-a", app).stdout == f"{app} has no scheduled jobs.\n"


def test_databases_and_the_scheduler_live_side_by_side(control_plane: ControlPlane, things: Things) -> None:
    app = things.app()
    created = control_plane.must("addons:create", "scheduler", "-a", app)
    things.database(app)

    assert "Creating scheduler on" in created.stderr
    assert "free" in created.stderr
    assert "scheduler" not in control_plane.must("pg:info", "-a", app).stdout
    assert "as SCHEDULER" in control_plane.must("addons", "-a", app).stdout
    assert "Heroku Scheduler" in control_plane.must("addons:services").stdout
    assert "scheduler:standard" in control_plane.must("addons:plans", "scheduler").stdout
    assert "scheduler:standard" in control_plane.must("addons:info", "scheduler", "-a", app).stdout
    control_plane.must("addons:wait", "-a", app)
    assert "Couldn't find that addon" in control_plane.typed("pg:info", "scheduler", "-a", app).everything
    control_plane.must("addons:destroy", "scheduler", "-a", app, "--confirm", app)
    control_plane.must("apps:destroy", app, "--confirm", app)
