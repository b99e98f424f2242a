"""The Scheduler add-on: a service without a server, whose jobs run as one-offs when they are due, once each time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from tests.api.test_processes import deploy
from tests.fix_control_plane import ControlPlane, wait_until
from tests.fix_things import ESSENTIAL, Things

from changeover.store.query import reading, statement
from changeover.store.rows import ScheduledJob

IDLE = "worker: sleep 1000\n"


def create(api: httpx2.Client, app: str, plan: str = "scheduler:standard", **body: Any) -> httpx2.Response:
    return api.post(f"/apps/{app}/addons", json={"plan": {"name": plan}, "config": {}, "attachment": {}, **body})


def scheduler(api: httpx2.Client, app: str) -> dict[str, Any]:
    answer = api.get(f"/changeover/v1/apps/{app}/scheduler")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def add(api: httpx2.Client, app: str, command: str, **fields: str) -> int:
    body = {"command": command, "every": "daily", **fields}
    answer = api.post(f"/changeover/v1/apps/{app}/scheduler/jobs", json=body)
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["id"]
    return number


def job_of(api: httpx2.Client, app: str, number: int) -> dict[str, Any]:
    return next(job for job in scheduler(api, app)["jobs"] if job["id"] == number)


def make_due(plane: ControlPlane, *jobs: int, ago: str = "0") -> None:
    """As if their time had come."""
    with plane.state() as state:
        state.execute(
            "UPDATE scheduled_jobs SET next_at = now() - %s::interval + id * interval '1 microsecond' WHERE id = ANY (%s)",
            [f"{ago} seconds", list(jobs)],
        )


def said(api: httpx2.Client, app: str) -> str:
    session = api.post(f"/apps/{app}/log-sessions", json={"lines": 500, "tail": False}).json()
    return api.get(session["logplex_url"]).text


def when_said(api: httpx2.Client, app: str, text: str) -> str:
    return str(wait_until(lambda: (log := said(api, app)) and text in log and log, what=f"{text!r} in the log"))


def is_ahead(job: dict[str, Any]) -> bool:
    return datetime.fromisoformat(job["next_at"]) > datetime.now(UTC)


@pytest.fixture
def shop(api: httpx2.Client, things: Things) -> str:
    """An app with code, of which nothing runs, and with the Scheduler."""
    app = things.app()
    api.patch(f"/apps/{app}/config-vars", json={"GREETING": "morning"})
    assert deploy(api, app, IDLE).status_code == 201
    assert create(api, app).status_code == 201
    return app


def test_the_add_on_is_ready_at_once_and_adds_no_config_var(api: httpx2.Client, things: Things) -> None:
    app = things.app()
    api.patch(f"/apps/{app}/config-vars", json={"SCHEDULER_URL": "my own"})

    made = create(api, app, "scheduler").json()

    assert (made["state"], made["config_vars"], made["plan"]["name"]) == ("provisioned", [], "scheduler:standard")
    assert made["addon_service"]["human_name"] == "Heroku Scheduler"
    [attachment] = api.get(f"/apps/{app}/addon-attachments").json()
    assert (attachment["name"], attachment["config_vars"]) == ("SCHEDULER", [])
    assert api.patch(f"/apps/{app}/config-vars", json={"SCHEDULER_URL": "still mine"}).json() == {
        "SCHEDULER_URL": "still mine"
    }


def test_an_app_has_it_once_and_shares_it_with_nobody(api: httpx2.Client, things: Things, shop: str) -> None:
    second = create(api, shop)
    shared = api.post("/addon-attachments", json={"addon": "scheduler", "app": shop})
    configured = create(api, things.app(), config={"follow": "DATABASE_URL"})

    assert (second.status_code, second.json()["what"]) == (422, f"{shop} already has the Scheduler.")
    assert (shared.status_code, shared.json()["id"]) == (422, "invalid_params")
    assert (configured.status_code, configured.json()["id"]) == (422, "invalid_params")


def test_who_asks_for_a_database_never_gets_the_scheduler(api: httpx2.Client, things: Things, shop: str) -> None:
    name = next(one["name"] for one in api.get(f"/apps/{shop}/addons").json())

    looked_at = api.get(f"/client/v11/databases/{name}")
    promoted = api.post(f"/changeover/v1/apps/{shop}/databases/SCHEDULER/actions/promote", json={})
    followed = create(api, shop, "heroku-postgresql:standard-0", config={"follow": "SCHEDULER"})
    database = things.database(shop, ESSENTIAL)

    assert [looked_at.status_code, promoted.status_code] == [404, 404]
    assert (followed.status_code, followed.json()["id"]) == (422, "not_followable")
    assert database["config_vars"] == ["DATABASE_URL"]


def test_a_due_job_runs_as_a_one_off_of_the_current_release(
    api: httpx2.Client, control_plane: ControlPlane, shop: str
) -> None:
    job = add(api, shop, "echo good $GREETING from $DYNO")

    make_due(control_plane, job)

    when_said(api, shop, "good morning from scheduler.")
    ran = wait_until(lambda: (now := job_of(api, shop, job))["last_dyno"] and now, what="the dyno in the list")
    assert f"app[{ran['last_dyno']}]: good morning from {ran['last_dyno']}" in said(api, shop)
    assert is_ahead(ran)


def test_what_was_missed_many_times_runs_once(api: httpx2.Client, control_plane: ControlPlane, shop: str) -> None:
    missed = add(api, shop, "echo missed", every="10m")
    other = add(api, shop, "echo later")

    make_due(control_plane, missed, ago=str(timedelta(days=3).total_seconds()))
    when_said(api, shop, "]: missed")
    make_due(control_plane, other)
    log = when_said(api, shop, "]: later")

    assert log.count("]: missed") == 1
    assert is_ahead(job_of(api, shop, missed))


def test_what_was_planned_while_the_clock_was_ahead_is_brought_forward(
    api: httpx2.Client, control_plane: ControlPlane, shop: str
) -> None:
    job = add(api, shop, "true", every="hourly")
    before = job_of(api, shop, job)["next_at"]

    make_due(control_plane, job, ago=str(-timedelta(days=40).total_seconds()))
    control_plane.child("worker").kill()  # the next one corrects it at once, and every hour

    wait_until(lambda: job_of(api, shop, job)["next_at"] == before, what="the next full hour")


def test_a_job_of_an_app_without_code_is_passed_over(
    api: httpx2.Client, control_plane: ControlPlane, things: Things
) -> None:
    app = things.app()
    create(api, app)
    job = add(api, app, "echo nothing there")

    make_due(control_plane, job)

    when_said(api, app, f"heroku[scheduler]: Skipped `echo nothing there` (job {job}): {app} has no code to run.")
    assert (job_of(api, app, job)["last_at"], is_ahead(job_of(api, app, job))) == (None, True)


def test_a_job_whose_former_run_still_runs_is_skipped(
    api: httpx2.Client, control_plane: ControlPlane, shop: str
) -> None:
    job = add(api, shop, "echo long; sleep 1000")
    dyno = api.post(f"/changeover/v1/apps/{shop}/scheduler/jobs/{job}/actions/run").json()["name"]
    assert scheduler(api, shop)["running"] == [dyno]

    make_due(control_plane, job)

    when_said(api, shop, f"Skipped `echo long; sleep 1000` (job {job}): its previous run, {dyno}, is still running")
    api.post(f"/apps/{shop}/dynos/{dyno}/actions/stop")
    assert scheduler(api, shop)["running"] == []
    assert job_of(api, shop, job)["last_dyno"] == dyno


def test_a_due_time_is_claimed_once(api: httpx2.Client, control_plane: ControlPlane, shop: str) -> None:
    job = add(api, shop, "true")
    with control_plane.state() as state:
        due = state.execute("SELECT next_at FROM scheduled_jobs WHERE id = %s", [job]).fetchone()
        assert due is not None
        values = {"id": job, "due_at": due[0], "next_at": due[0] + timedelta(days=1)}
        claims = [state.execute(reading(ScheduledJob, "scheduler.claim"), values).fetchone() for _ in range(2)]

    assert [claim is not None for claim in claims] == [True, False]


def test_maintenance_mode_leaves_jobs_alone_unless_told_to_hold_them(
    api: httpx2.Client, control_plane: ControlPlane, shop: str
) -> None:
    api.patch(f"/apps/{shop}", json={"maintenance": True})
    job = add(api, shop, "echo in maintenance")

    make_due(control_plane, job)

    when_said(api, shop, "]: in maintenance")
    assert scheduler(api, shop)["held_by"] is None


def test_held_jobs_do_not_run_not_even_late(
    api: httpx2.Client, control_plane: ControlPlane, things: Things, shop: str
) -> None:
    other = things.app()
    create(api, other)
    held, free = add(api, shop, "echo held"), add(api, other, "echo free")

    api.patch(f"/apps/{shop}", json={"maintenance": True, "scheduler": False})
    assert scheduler(api, shop)["held_by"] == "maintenance"
    make_due(control_plane, held, free)
    when_said(api, other, "Skipped `echo free`")  # due later than the held one
    api.patch(f"/apps/{shop}", json={"maintenance": False})
    make_due(control_plane, free)
    wait_until(lambda: said(api, other).count("Skipped") == 2, what="the other job's second time")

    assert (scheduler(api, shop)["held_by"], is_ahead(job_of(api, shop, held))) == (None, True)
    assert "held" not in said(api, shop)


def test_a_hold_waits_for_a_job_that_is_just_being_started(
    api: httpx2.Client, control_plane: ControlPlane, shop: str
) -> None:
    """So who holds jobs and then looks which dynos run sees them all."""
    app_id = api.get(f"/apps/{shop}").json()["id"]
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with control_plane.state() as state, ThreadPoolExecutor() as somebody:
        state.execute(statement("scheduler.try_lock_starting"), {"app_id": app_id})
        held = somebody.submit(api.post, f"/changeover/v1/apps/{shop}/scheduler/actions/hold")
        wait_until(lambda: state.execute(waiting).fetchone() == (1,), what="the hold to wait")
        assert not held.done()
        state.execute(statement("scheduler.unlock_starting"), {"app_id": app_id})

        assert held.result().json()["held_by"] == "hand"


def test_a_hold_by_hand_outlasts_maintenance_mode(api: httpx2.Client, shop: str) -> None:
    path = f"/changeover/v1/apps/{shop}/scheduler/actions"

    assert api.post(f"{path}/hold").json()["held_by"] == "hand"
    for maintenance in ({"maintenance": True, "scheduler": False}, {"maintenance": False}):
        api.patch(f"/apps/{shop}", json=maintenance)
        assert scheduler(api, shop)["held_by"] == "hand"
    assert api.post(f"{path}/resume").json()["held_by"] is None


def test_jobs_are_held_by_maintenance_mode_only_while_it_is_on(api: httpx2.Client, shop: str) -> None:
    refused = api.patch(f"/apps/{shop}", json={"maintenance": False, "scheduler": False})

    assert (refused.status_code, refused.json()["id"]) == (422, "invalid_params")
    assert scheduler(api, shop)["held_by"] is None


def test_jobs_stay_when_the_app_is_renamed_and_go_with_the_add_on(api: httpx2.Client, shop: str) -> None:
    add(api, shop, "true", size="standard-2x")
    renamed = api.patch(f"/apps/{shop}", json={"name": f"{shop}-b"}).json()["name"]
    assert [(job["command"], job["size"]) for job in scheduler(api, renamed)["jobs"]] == [("true", "Standard-2X")]

    gone = api.request("DELETE", f"/apps/{renamed}/addons/scheduler", json={})

    assert (gone.status_code, gone.json()["state"]) == (200, "deprovisioned")
    assert api.get(f"/changeover/v1/apps/{renamed}/scheduler").status_code == 404
    assert create(api, renamed).status_code == 201
    assert scheduler(api, renamed)["jobs"] == []


def test_an_app_is_destroyed_with_its_scheduler(api: httpx2.Client, control_plane: ControlPlane, shop: str) -> None:
    job = add(api, shop, "true")

    assert api.delete(f"/apps/{shop}").status_code == 200

    with control_plane.state() as state:
        assert state.execute("SELECT FROM scheduled_jobs WHERE id = %s", [job]).fetchone() is None


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"command": " ", "every": "10m"}, (422, "invalid_params")),
        ({"command": "echo a\necho b", "every": "10m"}, (422, "invalid_params")),
        ({"command": "echo \x00", "every": "10m"}, (400, "bad_request")),
        ({"command": "true"}, (422, "invalid_params")),
        ({"command": "true", "cron": "60 * * * *"}, (422, "invalid_params")),
        ({"command": "true", "every": "10m", "size": "huge"}, (422, "invalid_params")),
    ],
)
def test_a_job_that_can_not_be_is_refused(
    api: httpx2.Client, shop: str, fields: dict[str, str], refusal: tuple[int, str]
) -> None:
    answer = api.post(f"/changeover/v1/apps/{shop}/scheduler/jobs", json=fields)

    assert (answer.status_code, answer.json()["id"]) == refusal
    assert scheduler(api, shop)["jobs"] == []


@pytest.mark.parametrize("key", ["0", "99999999999999999999", "first"])
def test_a_job_that_is_not_there_is_not_found(api: httpx2.Client, shop: str, key: str) -> None:
    for answer in (
        api.delete(f"/changeover/v1/apps/{shop}/scheduler/jobs/{key}"),
        api.post(f"/changeover/v1/apps/{shop}/scheduler/jobs/{key}/actions/run"),
    ):
        assert (answer.status_code, answer.json()["id"]) == (404, "not_found")


def test_what_came_due_while_no_worker_lived_runs_once_when_one_does(own_plane: ControlPlane) -> None:
    with own_plane.client() as api:
        app = Things(own_plane, api).app()
        deploy(api, app, IDLE)
        create(api, app)
        job = add(api, app, "echo after the kill")
        worker = own_plane.child("worker")

        worker.suspend()
        make_due(own_plane, job, ago="60")
        worker.kill()

        when_said(api, app, "]: after the kill")
        assert said(api, app).count("]: after the kill") == 1
        assert is_ahead(job_of(api, app, job))
