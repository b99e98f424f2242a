"""Dynos that misbehave, and clients that go away: what the user sees, what becomes of it, and that nothing stays."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from tests.fix_control_plane import CLI, ControlPlane, wait_until
from tests.fix_things import unique
from tests.trouble.apps import PROCFILE, App, a_running_app
from tests.trouble.grounds import spaced

WEB = PROCFILE.splitlines()[0]
LOG_BYTES = 5 * 2_000_000


@pytest.fixture(scope="module")
def plane(module_plane: ControlPlane) -> ControlPlane:
    return module_plane


@pytest.fixture
def app(plane: ControlPlane) -> Iterator[App]:
    """An app of its own, with nothing deployed."""
    app = App(plane, unique("shop"))
    plane.must("apps:create", app.name)
    yield app
    plane.must("apps:destroy", app.name, "--confirm", app.name)


@pytest.fixture
def shop(plane: ControlPlane) -> Iterator[App]:
    """One that runs: two web dynos and a worker."""
    app = a_running_app(plane)
    yield app
    plane.must("apps:destroy", app.name, "--confirm", app.name)


def with_worker(app: App, command: str) -> None:
    deployed = app.deploy(f"{WEB}\nworker: {command}\n")
    assert deployed.exit_code == 0, deployed.everything
    app.must("ps:scale", "worker=1")
    wait_until(lambda: "worker.1" in app.pids(), what="the worker")


# -- dynos


def pauses_in(said: str) -> list[float]:
    """Between starts, in seconds."""
    starts = [line.split()[0] for line in said.splitlines() if "Starting process with command" in line]
    return [(datetime.fromisoformat(b) - datetime.fromisoformat(a)).total_seconds() for a, b in pairwise(starts)]


def test_a_dyno_that_crashes_at_boot_is_shown_logged_and_tried_again_with_growing_pauses(app: App) -> None:
    app.deploy("web: echo broken; exit 3\n")
    wait_until(lambda: "web.1: crashed" in app.must("ps").stdout, what="the crash")
    wait_until(lambda: app.said("--source", "app").count("broken") >= 3, what="three attempts")
    app.until_it_answers(503)
    app.until_said("heroku[router]: at=error code=H10")
    said = app.said()

    for line in ("Process exited with status 3", "State changed from starting to crashed"):
        assert f"heroku[web.1]: {line}" in said
    wait_until(lambda: (pauses := pauses_in(app.said())) and pauses[-1] > pauses[0] + 0.5, what="a longer pause")


def test_a_crashing_app_stays_in_maintenance_until_somebody_ends_it(app: App) -> None:
    app.deploy("web: exit 3\n")
    wait_until(lambda: "web.1: crashed" in app.must("ps").stdout, what="the crash")
    app.must("maintenance:on")

    app.must("ps:restart")
    wait_until(lambda: app.said().count("Process exited with status 3") >= 2, what="another crash")

    assert app.must("maintenance").stdout.strip() == "on"
    app.until_it_answers(503)
    assert "maintenance" in app.visit().text.lower()
    app.must("maintenance:off")
    app.until_it_answers(503)
    assert "maintenance" not in app.visit().text.lower()


@pytest.mark.long
def test_a_dyno_that_ignores_sigterm_is_killed_after_its_30_seconds(app: App) -> None:
    with_worker(app, "trap '' TERM; while true; do sleep 1; done")

    app.must("ps:stop", "worker.1")

    assert "worker.1" not in app.pids()
    said = app.said()
    assert "Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM" in said
    assert "heroku[worker.1]: Process exited with status 137" in said
    assert "worker.1: down" in app.must("ps").stdout


@pytest.mark.long
def test_a_web_dyno_that_never_listens_is_killed_after_its_60_seconds(app: App) -> None:
    app.deploy("web: exec sleep 600\n")
    wait_until(lambda: "web.1" in app.pids(), what="the dyno")
    first = app.pids()["web.1"]
    assert "web.1: starting" in app.must("ps").stdout

    app.until_said("State changed from starting to crashed", timeout_s=70)

    error = "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of launch"
    assert f"heroku[web.1]: {error}" in app.said()
    wait_until(lambda: app.pids().get("web.1", first) != first, timeout_s=70, what="another attempt")


def test_a_stopped_dyno_is_down_since_it_was_stopped(shop: App) -> None:
    shop.must("ps:stop", "worker.1")
    [stopped] = [dyno for dyno in shop.must("ps", "--json").json if dyno["name"] == "worker.1"]

    assert stopped["state"] == "down"
    assert datetime.fromisoformat(stopped["updated_at"]) > datetime.fromisoformat(shop.record()["updated_at"])


def test_children_that_a_dyno_forked_end_with_it(app: App) -> None:
    with_worker(app, "setsid -f sleep 600; (sleep 601 &); setsid sleep 602 & exec sleep 603")
    wait_until(lambda: len(app.pids()["worker.1"]) >= 4, what="the family")

    app.must("ps:scale", "worker=0")

    assert "worker.1" not in app.pids()


def test_dynos_that_flood_their_log_fill_no_disk_and_drown_nobody(app: App, plane: ControlPlane) -> None:
    folder = plane.home / "log/apps" / app.record()["id"]
    app.deploy(f"{WEB}\nworker: exec yes flooding flooding flooding\n")
    app.must("ps:scale", "worker=8")

    wait_until(
        lambda: len(numbers(folder)) and max(numbers(folder)) > min(numbers(folder)) >= 2, what="old lines to go"
    )
    sizes = [bytes_in(folder) for _ in range(20)]
    app.must("ps:scale", "worker=0")

    assert max(sizes) < LOG_BYTES * 1.2
    assert "Error L10 (output buffer overflow)" in app.said("--source", "heroku")
    app.until_it_answers()


def numbers(folder: Path) -> list[int]:
    """Of the log's segments."""
    return [int(found[0]) for path in folder.iterdir() if (found := re.search(r"\d+", path.name))]


def bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.iterdir():
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


# -- release phases


def test_a_release_phase_that_fails_leaves_the_former_release_running(shop: App) -> None:
    pids, [former] = shop.pids(), current(shop)

    typed = shop.deploy(f"{PROCFILE}release: echo no such column; exit 4\n")

    assert typed.exit_code == 1
    assert "no such column" in typed.stdout
    assert typed.stdout.count("Running release command...") == 1
    assert f"{former} continues to run." in spaced(typed.stderr)
    assert "changeover releases:output" in spaced(typed.stderr)
    assert "release command failed" in shop.must("releases").stdout
    assert (shop.pids(), current(shop)) == (pids, [former])


def test_a_release_phase_that_is_killed_counts_as_failed(shop: App) -> None:
    pids = shop.pids()

    with deploying(shop, "exec sleep 600") as phase:
        for pid in phase:
            psutil.Process(pid).kill()

    assert "failed" in shop.must("releases").stdout
    assert shop.pids() == pids


def test_a_release_phase_that_never_ends_is_ended_when_its_hour_is_over(shop: App, plane: ControlPlane) -> None:
    pids = shop.pids()

    with deploying(shop, "(sleep 601 &); exec sleep 600"), plane.state() as state:
        state.execute(
            "UPDATE runs SET step_began_at = now() - interval '61 minutes' WHERE app = %s AND step = 'phase'",
            [shop.name],
        )
        plane.child("worker").kill()  # its successor reads what is written there

    assert shop.pids() == pids
    assert "failed" in shop.must("releases").stdout


@contextmanager
def deploying(app: App, phase: str) -> Iterator[set[int]]:
    """The processes of a release phase that runs; afterwards the deploy has failed."""

    def processes() -> set[int]:
        """Once its command runs: what is killed before that is started again."""
        pids = next((pids for name, pids in app.pids().items() if name.startswith("release.")), set())
        return pids if any(name_of(pid) == "sleep" for pid in pids) else set()

    with ThreadPoolExecutor(1) as threads:
        deployed = threads.submit(app.deploy, f"{PROCFILE}release: {phase}\n")
        yield wait_until(processes, what="the release phase")
        typed = deployed.result()
    assert typed.exit_code == 1, typed.everything
    assert "failed" in typed.stderr


def name_of(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.NoSuchProcess:
        return ""


def current(app: App) -> list[str]:
    return [f"v{one['version']}" for one in app.must("releases", "--json").json if one["current"]]


# -- clients that go away


@contextmanager
def typing(plane: ControlPlane, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on, killed at the end of the block."""
    process = subprocess.Popen(
        [*CLI, *words], env=plane.surroundings(), cwd=plane.home, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("is_talking", [True, False])
def test_who_leaves_the_log_is_forgotten_by_the_control_plane(shop: App, is_talking: bool) -> None:
    if not is_talking:
        shop.must("ps:scale", "worker=0")
    server = shop.plane.child("control-plane")
    before = server.num_fds()

    for _ in range(5):
        with typing(shop.plane, "logs", "--tail", "-a", shop.name) as tail:
            assert tail.stdout is not None
            assert "]: " in tail.stdout.readline()
            assert server.num_fds() > before

    wait_until(lambda: server.num_fds() <= before, what="its sockets and files to be closed")


def test_a_one_off_ends_when_whoever_ran_it_goes_away(shop: App) -> None:
    def one_offs() -> list[str]:
        return [name for name in shop.pids() if name.startswith("run.")]

    with typing(shop.plane, "run", "-a", shop.name, "--", "echo here; (sleep 601 &); sleep 600") as run:
        assert run.stdout is not None
        assert "here" in run.stdout.readline()
        assert len(one_offs()) == 1

    wait_until(lambda: one_offs() == [], what="the end of the one-off")
    assert "run." not in shop.must("ps").stdout
