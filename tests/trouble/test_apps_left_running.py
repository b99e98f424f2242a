"""`--leave-running`: the control plane goes and comes, and neither dynos nor people notice; `changeover stop` ends all."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest
from tests.fix_control_plane import ControlPlane, make_home, remove_home, wait_until
from tests.trouble.apps import App, a_running_app, keepers, pids_of, routers


@pytest.fixture
def app() -> Iterator[App]:
    """On a control plane that leaves what it runs."""
    plane = ControlPlane(make_home())
    try:
        plane.start("--leave-running")
        yield a_running_app(plane)
        plane.typed("stop")
    finally:
        if plane.process is not None:
            plane.kill()
        remove_home(plane.home)


def what_runs(plane: ControlPlane, app_id: str) -> dict[str, set[int]]:
    """Dynos, router and what keeps dynos, by their pids."""
    return {
        **pids_of(plane, app_id),
        "router": {process.pid for process in routers(plane)},
        "supervisord": {process.pid for process in keepers(plane)},
    }


NOTHING: dict[str, set[int]] = {"router": set(), "supervisord": set()}


def test_people_are_served_while_there_is_no_control_plane_and_the_next_one_adopts_all(app: App) -> None:
    plane, app_id = app.plane, app.record()["id"]
    before = what_runs(plane, app_id)

    with app.crowd() as crowd:
        assert plane.stop() == 0
        asked = crowd.asked
        wait_until(lambda: crowd.asked > asked + 200, what="further requests")
        assert what_runs(plane, app_id) == before
        plane.start("--leave-running")
        app.must("ps")
        app.until(web_1="up", web_2="up", worker_1="up")

    assert crowd.failed == []
    assert set(crowd.statuses) == {200}
    assert what_runs(plane, app_id) == before
    app.must("ps:scale", "worker=0")
    assert app.pids().keys() == {"web.1", "web.2"}


def test_after_the_parent_was_killed_the_next_start_adopts_all(app: App) -> None:
    plane, app_id = app.plane, app.record()["id"]
    before = what_runs(plane, app_id)
    children = [plane.child(name) for name in ("worker", "control-plane")]

    with app.crowd() as crowd:
        plane.kill()
        psutil.wait_procs(children, timeout=15)
        plane.start("--leave-running")
        app.until(web_1="up", web_2="up", worker_1="up")

    assert crowd.failed == []
    assert set(crowd.statuses) == {200}
    assert what_runs(plane, app_id) == before


@pytest.mark.parametrize("is_governed", [pytest.param(True, marks=pytest.mark.long), False])
def test_stop_ends_everything_whether_or_not_a_control_plane_runs(app: App, is_governed: bool) -> None:
    plane, app_id = app.plane, app.record()["id"]
    if not is_governed:
        plane.stop()

    plane.must("stop")

    assert what_runs(plane, app_id) == NOTHING
    assert not [process for process in psutil.process_iter(["cwd"]) if str(plane.home) in (process.info["cwd"] or "")]
