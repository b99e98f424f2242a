"""Told to stop in the middle of a pause, a control plane finishes the pause first: nobody has to take it over."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from tests.changeovers.fix_crashes import Ground, Strike, cases, change_over_under
from tests.changeovers.fix_orders import Shop
from tests.changeovers.test_changeovers import PHASES
from tests.fix_poolers import needs_pgbouncer

HELD = ("held", "fenced", "drained", "point of no return", "promoted", "routed")


def phases_of_the_last(ground: Ground) -> list[str]:
    last, *_ = ground.things.api.get("/changeover/v1/changeovers").json()
    return [event["phase"] for event in last["timeline"]]


@needs_pgbouncer
@pytest.mark.parametrize(
    ("phase", "kind"),
    cases(list(itertools.product(HELD, ("pooled", "maintenance"))), always=[("fenced", "pooled")], by_chance=0),
)
def test_a_worker_that_is_told_to_stop_finishes_the_pause_first(ground: Ground, phase: str, kind: str) -> None:
    worker = ground.plane.child("worker")

    orders = change_over_under(ground, kind, lambda *_: ground.sabotage(phase, "worker", 0, "SIGTERM"))

    assert not worker.is_running()
    assert phases_of_the_last(ground) == PHASES
    if kind == "pooled":
        assert orders.failures == []


@needs_pgbouncer
@pytest.mark.parametrize(
    ("phase", "kind"),
    cases(list(itertools.product(HELD, ("pooled", "maintenance"))), always=[("drained", "maintenance")], by_chance=0),
)
def test_a_control_plane_that_is_stopped_finishes_the_pause_first(ground: Ground, phase: str, kind: str) -> None:
    change_over_under(ground, kind, stopped_and_started(ground, phase))

    assert phases_of_the_last(ground) == PHASES


def stopped_and_started(ground: Ground, phase: str) -> Strike:
    """By SIGTERM to the parent, as the shell and systemd do it; everything of it ends, then it is started again."""
    plane = ground.plane

    def strike(_shop: Shop, _target: str) -> Callable[[], float | None]:
        assert plane.process is not None
        told = ground.sabotage(phase, "parent", plane.process.pid, "SIGTERM")

        def look() -> float | None:
            told_at = told()
            if told_at is not None:
                assert plane.wait() == 0
                plane.start()
                ground.things.api.base_url = plane.url
            return told_at

        return look

    return strike
