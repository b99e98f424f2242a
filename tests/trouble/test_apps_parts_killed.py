"""SIGKILL of each of our parts while an app runs, in a quiet hour and under load: who feels it, and who comes back when."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import psutil
import pytest
from tests.fix_control_plane import ControlPlane, is_dead, wait_until
from tests.trouble.apps import App, a_running_app, keepers, routers

QUIET, BUSY = 20, 200


@pytest.fixture(scope="module")
def app(module_plane: ControlPlane) -> App:
    """One for all: each test leaves it as whole as it found it, which is what they are about."""
    return a_running_app(module_plane)


LOADS = [QUIET, pytest.param(BUSY, marks=pytest.mark.long)]


def state_pid(plane: ControlPlane) -> int:
    return int((plane.home / "state/data/postmaster.pid").read_text().split()[0])


FINDS: dict[str, Callable[[ControlPlane], int]] = {
    "worker": lambda plane: plane.child("worker").pid,
    "control-plane": lambda plane: plane.child("control-plane").pid,
    "state": state_pid,
    "caddy": lambda plane: routers(plane)[0].pid,
    "supervisord": lambda plane: keepers(plane)[0].pid,
}


def kill(plane: ControlPlane, part: str) -> None:
    """By the end of it a successor may be there."""
    process = psutil.Process(FINDS[part](plane))
    process.kill()
    wait_until(lambda: is_dead(process), what="the end of it")


@pytest.mark.parametrize("per_second", LOADS)
def test_a_killed_router_costs_only_what_was_in_its_hands(app: App, per_second: int) -> None:
    """The worker that started it keeps its socket open: who comes meanwhile waits. (So this test comes before the next.)"""
    dynos = app.pids()

    with app.crowd(per_second=per_second) as crowd:
        kill(app.plane, "caddy")
        wait_until(lambda: answers(app), what="the app")

    assert len(crowd.failed) <= crowd.people
    assert set(crowd.statuses) == {200}
    assert len(routers(app.plane)) == 1
    assert app.pids() == dynos
    assert_all_is_well(app)


def test_a_killed_router_that_was_adopted_comes_back_at_the_same_address(app: App) -> None:
    """Its socket died with it: who comes meanwhile is refused."""
    dynos, address = app.pids(), app.address
    kill(app.plane, "worker")
    wait_until(app.plane.healthy, what="health")

    with app.crowd():
        kill(app.plane, "caddy")
        wait_until(lambda: answers(app), what="the app")

    assert len(routers(app.plane)) == 1
    assert (app.pids(), app.address) == (dynos, address)
    assert_all_is_well(app)


@pytest.mark.parametrize("per_second", LOADS)
@pytest.mark.parametrize("part", ["worker", "control-plane", "state"])
def test_who_only_governs_is_not_missed_by_dynos_or_people(app: App, part: str, per_second: int) -> None:
    former, dynos = FINDS[part](app.plane), app.pids()

    with app.crowd(per_second=per_second) as crowd:
        kill(app.plane, part)
        wait_until(app.plane.healthy, what="health")
        app.must("ps")
        asked = crowd.asked
        wait_until(lambda: crowd.asked > asked + per_second // 2, what="further requests")

    assert FINDS[part](app.plane) != former
    assert crowd.failed == []
    assert set(crowd.statuses) == {200}
    assert app.pids() == dynos


@pytest.mark.parametrize("per_second", LOADS)
def test_after_supervisord_was_killed_every_dyno_runs_once_and_answers(app: App, per_second: int) -> None:
    """Nobody could restart what a dead supervisord had started: so its successor replaces them."""
    before = app.pids()

    with app.crowd(per_second=per_second) as crowd:
        kill(app.plane, "supervisord")
        wait_until(lambda: keepers(app.plane), what="the next supervisord")
        wait_until(lambda: _replaced(app, before), what="every dyno once")
        app.until(web_1="up", web_2="up", worker_1="up")
        app.until_it_answers()

    assert set(crowd.statuses) <= {200, 502, 503}
    assert len(keepers(app.plane)) == 1
    assert_all_is_well(app)


def answers(app: App) -> bool:
    try:
        return app.visit().status_code == 200
    except httpx2.TransportError:
        return False


def _replaced(app: App, before: dict[str, set[int]]) -> bool:
    now = app.pids()
    return now.keys() == before.keys() and all(not now[name] & before[name] for name in now)


def assert_all_is_well(app: App) -> None:
    """Nothing is there twice, and not one request fails any more."""
    with app.crowd() as crowd:
        asked = crowd.asked
        wait_until(lambda: crowd.asked > asked + BUSY, what="further requests")
        pids = app.pids()

    assert crowd.failed == []
    assert set(crowd.statuses) == {200}
    assert [len(pids[name]) for name in ("web.1", "web.2")] == [1, 1]
    assert sorted(pids) == ["web.1", "web.2", "worker.1"]
