"""Deploys, config changes and restarts whose web dynos never listen: what served before keeps serving."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.api.test_processes import ask, deploy, logs, states
from tests.fix_control_plane import ControlPlane, running_plane, wait_until
from tests.fix_things import ESSENTIAL, Things

GOOD = "web: python3 web.py\nworker: sleep 1000\n"
NEVER = {
    "silent": "web: sleep 1000\n",
    "crashing": "web: echo no luck; exit 3\n",
    "at another port": "web: PORT=$((PORT + 1)) python3 web.py\n",
    "at another address": "web: python3 -m http.server -b ::1 $PORT\n",
    "only once": "web: if [ $DYNO = web.2 ]; then sleep 1000; fi; python3 web.py\n",
}


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """Impatient: a web dyno must listen within 8 seconds, which a good one does on a busy machine too."""
    yield from running_plane(CHANGEOVER_BOOT_TIMEOUT="8")


def ended(api: httpx2.Client, run: int) -> dict[str, Any]:
    wait_until(
        lambda: api.get(f"/changeover/v1/runs/{run}").json()["finished_at"], timeout_s=90, what=f"the end of run {run}"
    )
    found: dict[str, Any] = api.get(f"/changeover/v1/runs/{run}").json()
    return found


def last_run(api: httpx2.Client, app: str) -> dict[str, Any]:
    runs = [run for run in api.get("/changeover/v1/runs").json() if run["app"] == app]
    return ended(api, max(run["id"] for run in runs))


def serving(api: httpx2.Client, things: Things, quantity: int = 1) -> str:
    """An app whose web dynos answer."""
    app = things.app()
    assert ended(api, deploy(api, app, GOOD).json()["run"])["status"] == "done"
    if quantity > 1:
        api.patch(f"/apps/{app}/formation", json={"updates": [{"type": "web", "quantity": quantity}]})
        assert last_run(api, app)["status"] == "done"
    wait_until(lambda: ask(api, app).status_code == 200, what="the app")
    return app


def statuses(api: httpx2.Client, app: str) -> dict[int, tuple[str, bool]]:
    return {one["version"]: (one["status"], one["current"]) for one in api.get(f"/apps/{app}/releases").json()}


def test_a_deploy_that_never_listens_fails_and_the_former_release_serves(api: httpx2.Client, things: Things) -> None:
    """One app for each way not to listen, all at a time: each of them waits as long as a boot may take."""
    apps = {serving(api, things, quantity=2): how for how in NEVER}
    runs = {app: deploy(api, app, NEVER[how] + "worker: sleep 2000\n").json()["run"] for app, how in apps.items()}
    answers = set()
    while not all(api.get(f"/changeover/v1/runs/{run}").json()["finished_at"] for run in runs.values()):
        answers |= {(app, ask(api, app).status_code) for app in apps}

    assert answers == {(app, 200) for app in apps}
    for app, run in runs.items():
        failed = ended(api, run)
        assert (apps[app], failed["status"], failed["error"]["id"]) == (apps[app], "failed", "boot_failed")
        assert "v2 keep serving" in failed["error"]["message"]
        assert statuses(api, app)[3] == ("failed", False)
        assert statuses(api, app)[2] == ("succeeded", True)
        assert states(api, app) == {"web.1": "up", "web.2": "up"}
        assert {dyno["release"]["version"] for dyno in api.get(f"/apps/{app}/dynos").json()} == {2}
        assert "Release v3 of" in logs(api, app)


def test_after_a_failed_deploy_a_good_one_works(api: httpx2.Client, things: Things) -> None:
    app = serving(api, things)
    ended(api, deploy(api, app, NEVER["crashing"]).json()["run"])

    assert ended(api, deploy(api, app, GOOD).json()["run"])["status"] == "done"
    assert statuses(api, app)[4] == ("succeeded", True)
    assert ask(api, app).status_code == 200


def test_a_second_deploy_during_the_boot_wait_has_its_turn(api: httpx2.Client, things: Things) -> None:
    app = serving(api, things)
    bad = deploy(api, app, NEVER["silent"]).json()["run"]
    good = deploy(api, app, GOOD).json()["run"]

    assert ended(api, good)["status"] == "done"
    assert ended(api, bad)["finished_at"]
    assert statuses(api, app)[4] == ("succeeded", True)
    wait_until(lambda: states(api, app) == {"web.1": "up"}, what="one web dyno")
    assert ask(api, app).status_code == 200


def test_a_config_change_that_the_app_cannot_start_with_leaves_the_former_dynos(
    api: httpx2.Client, things: Things
) -> None:
    app = things.app()
    ended(api, deploy(api, app, 'web: [ -z "$BROKEN" ] && python3 web.py\n').json()["run"])

    api.patch(f"/apps/{app}/config-vars", json={"BROKEN": "1"})
    assert last_run(api, app)["error"]["id"] == "boot_failed"

    assert ask(api, app).status_code == 200
    assert statuses(api, app)[3] == ("failed", False)
    assert api.get(f"/apps/{app}/config-vars").json() == {"BROKEN": "1"}
    api.patch(f"/apps/{app}/config-vars", json={"BROKEN": None})
    assert last_run(api, app)["status"] == "done"
    assert ask(api, app).status_code == 200


def test_a_restart_that_fails_leaves_the_former_dynos(api: httpx2.Client, things: Things) -> None:
    app = things.app()
    with socket.create_server(("127.0.0.1", 0)) as needed:
        port = needed.getsockname()[1]
        ended(api, deploy(api, app, f"web: (: </dev/tcp/127.0.0.1/{port}) && python3 web.py\n").json()["run"])

    api.delete(f"/apps/{app}/dynos")

    assert last_run(api, app)["error"]["id"] == "boot_failed"
    assert ask(api, app).status_code == 200
    assert statuses(api, app)[2] == ("succeeded", True)
    with socket.create_server(("127.0.0.1", port)):
        api.delete(f"/apps/{app}/dynos")
        assert last_run(api, app)["status"] == "done"


def test_a_first_deploy_that_fails_is_tried_again_with_the_next_config(api: httpx2.Client, things: Things) -> None:
    app = things.app()
    run = ended(api, deploy(api, app, 'web: [ "$NEEDED" ] && python3 web.py\n').json()["run"])

    assert run["error"]["id"] == "boot_failed"
    assert statuses(api, app)[2] == ("failed", False)
    api.patch(f"/apps/{app}/config-vars", json={"NEEDED": "1"})
    assert last_run(api, app)["status"] == "done"
    wait_until(lambda: ask(api, app).status_code == 200, what="the app")


def test_a_worker_killed_during_the_boot_wait_changes_nothing(
    control_plane: ControlPlane, api: httpx2.Client, things: Things
) -> None:
    app = serving(api, things)
    run = deploy(api, app, NEVER["silent"]).json()["run"]
    wait_until(lambda: "starting" in states(api, app).values(), what="the new web dyno")

    control_plane.child("worker").kill()

    assert ended(api, run)["error"]["id"] == "boot_failed"
    assert ask(api, app).status_code == 200
    wait_until(lambda: states(api, app) == {"web.1": "up"}, what="the former web dyno")
    assert statuses(api, app)[2] == ("succeeded", True)


def test_a_deploy_after_an_interrupted_one_finds_ports(
    control_plane: ControlPlane, api: httpx2.Client, things: Things
) -> None:
    """The dynos that serve and those of the interrupted deploy have all ports that two releases need."""
    app = serving(api, things, quantity=3)
    deploy(api, app, NEVER["silent"])
    wait_until(lambda: "starting" in states(api, app).values(), what="the new web dyno")
    good = deploy(api, app, GOOD).json()["run"]

    control_plane.child("worker").kill()

    assert ended(api, good)["status"] == "done"
    assert statuses(api, app)[4] == ("succeeded", True)
    wait_until(lambda: states(api, app) == dict.fromkeys(("web.1", "web.2", "web.3"), "up"), what="three web dynos")
    assert ask(api, app).status_code == 200


def test_what_an_attempt_has_ended_is_not_taken_for_what_serves(
    control_plane: ControlPlane, api: httpx2.Client, things: Things
) -> None:
    """A change that failed half way leaves what it remembered: dynos that it has ended itself."""
    app = serving(api, things)
    with control_plane.state() as db:
        db.execute(
            "INSERT INTO state.former_dynos (app_id, name, type, port, release, restarts, is_stopped)"
            " SELECT id, 'web.1', 'web', 9, 2, 0, false FROM state.apps WHERE name = %s",
            [app],
        )

    assert ended(api, deploy(api, app, NEVER["crashing"]).json()["run"])["error"]["id"] == "boot_failed"

    assert ask(api, app).status_code == 200
    assert states(api, app) == {"web.1": "up"}


def test_the_command_ends_with_1_and_shows_the_last_lines(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, tmp_path: Path
) -> None:
    app = serving(api, things)
    (tmp_path / "Procfile").write_text(NEVER["crashing"])

    typed = control_plane.typed("deploy", str(tmp_path), "-a", app)

    assert typed.exit_code == 1
    assert "app[web.1]: no luck" in typed.stderr
    assert f"Release v3 of {app} failed: web.1 did not start." in typed.stderr


def between_two_databases(api: httpx2.Client, things: Things, procfile: str) -> tuple[str, str, str]:
    """An app in maintenance mode with DATABASE and another database, and both names. OLD in `procfile`: the first one's."""
    app = things.app()
    old, new = things.database(app, ESSENTIAL)["name"], things.database(app, ESSENTIAL)["name"]
    name = api.get(f"/apps/{app}/config-vars").json()["DATABASE_URL"].rsplit("/", 1)[1]
    run = deploy(api, app, procfile.replace("OLD", name)).json()["run"]
    assert ended(api, run)["status"] == "done"
    wait_until(lambda: ask(api, app).status_code == 200, what="the app")
    api.patch(f"/apps/{app}", json={"maintenance": True})
    return app, old, new


def promote(api: httpx2.Client, app: str, database: str) -> None:
    answer = api.post(f"/changeover/v1/apps/{app}/databases/{database}/actions/promote", json={})
    assert answer.status_code == 200, answer.text


def swap_by_hand(api: httpx2.Client, app: str, database: str) -> None:
    """Two releases, where `promote` replaces the attachment in one transaction."""
    [default] = [one for one in api.get(f"/apps/{app}/addon-attachments").json() if one["name"] == "DATABASE"]
    for name, addon in (("SPARE", default["addon"]["name"]), ("DATABASE", database)):
        if name == "DATABASE":
            assert api.delete(f"/addon-attachments/{default['id']}").status_code == 200
        body = {"app": app, "addon": addon, "name": name}
        assert api.post("/addon-attachments", json=body).status_code == 201


@pytest.mark.parametrize("move", [promote, swap_by_hand])
def test_no_dyno_keeps_serving_from_the_former_database_after_a_promotion_that_does_not_boot(
    api: httpx2.Client, things: Things, move: Callable[[httpx2.Client, str, str], None]
) -> None:
    app, old, new = between_two_databases(
        api, things, 'web: case "$DATABASE_URL" in */OLD*) exec python3 web.py;; esac\n'
    )

    move(api, app, new)
    failed = last_run(api, app)
    let_through = api.patch(f"/apps/{app}", json={"maintenance": False})

    assert failed["error"]["id"] == "boot_failed"
    assert let_through.status_code == 200
    assert {ask(api, app).status_code for _ in range(5)} == {503}
    promote(api, app, old)
    assert last_run(api, app)["status"] == "done"
    wait_until(lambda: ask(api, app).status_code == 200, what="the app with its former database")


def test_maintenance_goes_on_while_a_failed_release_phase_leaves_dynos_with_the_former_database(
    api: httpx2.Client, things: Things
) -> None:
    """Every release of the promotion fails, also the one that gives the former database a second name."""
    app, _, new = between_two_databases(
        api, things, "web: python3 web.py\nrelease: [ $(env | grep -c ^HEROKU_POSTGRESQL) = 1 ]\n"
    )

    promote(api, app, new)
    assert last_run(api, app)["error"]["id"] == "release_failed"
    refused = api.patch(f"/apps/{app}", json={"maintenance": False})

    assert (refused.status_code, refused.json()["id"]) == (409, "not_available")
    assert "requests would reach the former database" in refused.json()["message"]
    assert ask(api, app).status_code == 503
    assert ended(api, deploy(api, app, GOOD).json()["run"])["status"] == "done"
    assert api.patch(f"/apps/{app}", json={"maintenance": False}).status_code == 200
    assert ask(api, app).status_code == 200


def test_a_release_that_fails_for_another_reason_than_its_boot_is_failed_too(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, tmp_path: Path
) -> None:
    """A file where a folder must be stands for all that a host can lack: room, ports, rights."""
    app = things.app()
    (tmp_path / "Procfile").write_text("web: python3 -m http.server $PORT\n")
    assert control_plane.typed("deploy", str(tmp_path), "-a", app).exit_code == 0
    folder = control_plane.home / "apps" / str(api.get(f"/apps/{app}").json()["id"]) / "dynos"
    folder.rename(folder.with_name("away"))
    folder.write_text("in the way")

    typed = control_plane.typed("deploy", str(tmp_path), "-a", app)

    assert typed.exit_code == 1
    assert [statuses(api, app)[version] for version in (2, 3)] == [("succeeded", True), ("failed", False)]
    failure = api.get(f"/apps/{app}/releases/3").json()["failure"]
    assert failure.startswith(f"Release v3 of {app} failed: ")
    assert "failed before its dynos ran" in control_plane.must("releases", "-a", app).stdout
    assert failure.splitlines()[0] in " ".join(control_plane.must("releases:info", "v3", "-a", app).stdout.split())
    assert states(api, app) == {"web.1": "up"}
    assert ask(api, app).status_code == 200

    folder.unlink()
    folder.with_name("away").rename(folder)
    assert control_plane.typed("deploy", str(tmp_path), "-a", app).exit_code == 0
    assert statuses(api, app)[4] == ("succeeded", True)


def is_starting(api: httpx2.Client, app: str, *, version: int) -> bool:
    """A dyno of that release."""
    dynos = api.get(f"/apps/{app}/dynos").json()
    return any(one["state"] == "starting" and one["release"]["version"] == version for one in dynos)


def test_a_release_whose_run_is_cancelled_is_failed_and_workers_go_back(
    control_plane: ControlPlane, api: httpx2.Client, things: Things
) -> None:
    """While another change has the web dynos: its own workers had started already."""
    app = serving(api, things)
    api.patch(f"/apps/{app}/formation", json={"updates": [{"type": "worker", "quantity": 1}]})
    assert last_run(api, app)["status"] == "done"
    first = deploy(api, app, NEVER["silent"]).json()["run"]
    wait_until(lambda: is_starting(api, app, version=3), what="the new web dyno")
    second = deploy(api, app, GOOD.replace("1000", "1001")).json()["run"]
    with control_plane.state() as db:
        db.execute("UPDATE state.runs SET is_cancelled = true WHERE id = %s", [second])

    assert ended(api, first)["error"]["id"] == "boot_failed"
    assert ended(api, second)["error"]["id"] == "run_cancelled"
    found = statuses(api, app)
    assert [found[version] for version in (2, 3, 4)] == [("succeeded", True), ("failed", False), ("failed", False)]
    wait_until(lambda: states(api, app) == {"web.1": "up", "worker.1": "up"}, what="the former dynos")
    assert {dyno["release"]["version"] for dyno in api.get(f"/apps/{app}/dynos").json()} == {2}


def test_a_boot_that_fails_after_a_release_command_is_not_told_as_the_commands_failure(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, tmp_path: Path
) -> None:
    app = things.app()
    (tmp_path / "Procfile").write_text("release: echo migrated\nweb: python3 -m http.server $PORT\n")
    assert control_plane.typed("deploy", str(tmp_path), "-a", app).exit_code == 0
    (tmp_path / "Procfile").write_text("release: echo migrated\nweb: exit 3\n")

    typed = control_plane.typed("deploy", str(tmp_path), "-a", app)

    assert typed.exit_code == 1
    assert f"Release v3 of {app} failed: web.1 did not start." in typed.everything
    assert "Its release command succeeded" in " ".join(typed.everything.split())
    assert "web dynos did not start" in control_plane.must("releases", "-a", app).stdout
    assert last_run(api, app)["says"] == "Start, replace and stop dynos"


def test_ports_that_another_process_listens_at_do_not_stop_a_release(
    control_plane: ControlPlane, api: httpx2.Client, things: Things
) -> None:
    app = serving(api, things)
    with control_plane.state() as db:
        [(ports,)] = db.execute("SELECT ports FROM state.apps WHERE name = %s", [app]).fetchall()
    with ExitStack() as thief:
        for port in ports:
            with suppress(OSError):  # where the app itself listens
                thief.enter_context(socket.create_server(("127.0.0.1", port)))

        assert ended(api, deploy(api, app, GOOD).json()["run"])["status"] == "done"
        assert ask(api, app).status_code == 200
