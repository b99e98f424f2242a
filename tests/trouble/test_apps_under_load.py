"""People ask 200 times a second while dynos are restarted, released, deployed and in maintenance: not one request fails."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from tests.fix_control_plane import ControlPlane, wait_until
from tests.trouble.apps import WITH_PHASE, App, a_running_app

MAINTENANCE = 503


@pytest.fixture(scope="module")
def app(module_plane: ControlPlane) -> App:
    return a_running_app(module_plane)


def restart_one(app: App) -> None:
    former = app.pids()["web.1"]
    app.must("ps:restart", "web.1")
    _until_replaced(app, {"web.1": former})


def restart_all(app: App) -> None:
    former = app.pids()
    app.must("ps:restart")
    _until_replaced(app, former)


def release_a_config_var(app: App) -> None:
    former = app.pids()
    app.must("config:set", f"MOMENT={time.monotonic()}")
    _until_replaced(app, former)


def deploy_with_a_phase(app: App) -> None:
    former = app.pids()
    deployed = app.deploy(WITH_PHASE)
    assert deployed.exit_code == 0, deployed.everything
    assert "migrated" in deployed.stdout
    _until_replaced(app, former)


def scale_up_and_down(app: App) -> None:
    app.must("ps:scale", "web=3")
    app.must("ps:scale", "web=2")
    app.until(web_1="up", web_2="up", worker_1="up")


def _until_replaced(app: App, former: dict[str, set[int]]) -> None:
    app.must("ps:wait", "-w", "0.1")

    def is_so() -> bool:
        now = app.pids()
        return all(len(now.get(name, ())) == 1 and not now[name] & pids for name, pids in former.items())

    wait_until(is_so, what=f"successors of {sorted(former)}")


CHANGES: tuple[Callable[[App], None], ...] = (
    restart_one, release_a_config_var, deploy_with_a_phase, scale_up_and_down, restart_all,
)  # fmt: skip


def test_changes_of_every_kind_cost_nothing(app: App) -> None:
    with app.crowd() as crowd:
        for change in CHANGES:
            change(app)

    assert crowd.failed == []
    assert set(crowd.statuses) == {200}
    assert {"web.1", "web.2", "web.3"} == crowd.dynos.keys()


def test_maintenance_mode_costs_nothing_but_its_own_page(app: App) -> None:
    with app.crowd() as crowd:
        app.must("maintenance:on")
        app.must("maintenance:off")

    assert crowd.failed == []
    assert set(crowd.statuses) == {200, MAINTENANCE}
    assert crowd.connections == crowd.people


@pytest.mark.long
def test_a_minute_of_everything_costs_nothing_but_the_maintenance_page(app: App) -> None:
    turn, end = 0, time.monotonic() + 60

    with app.crowd() as crowd:
        while time.monotonic() < end:
            CHANGES[turn % len(CHANGES)](app)
            turn += 1
            app.must("maintenance:on")
            app.must("maintenance:off")

    assert crowd.failed == []
    assert set(crowd.statuses) == {200, MAINTENANCE}
    assert crowd.asked > 10_000
    assert turn > len(CHANGES)
