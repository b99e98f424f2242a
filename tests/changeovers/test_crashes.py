"""A crash in every phase of the pause, of whoever takes part: nothing is lost, one leader only, and people go on."""

from __future__ import annotations

import itertools
import signal

import pytest
from tests.changeovers.fix_crashes import Ground, assert_people_went_on, cases, change_over_under
from tests.changeovers.test_changeovers import PHASES
from tests.fix_control_plane import wait_until

VICTIMS = ("worker", "frozen worker", "control-plane", "state", "source", "target")
EVERY_CASE = list(itertools.product(PHASES, VICTIMS))


@pytest.mark.parametrize(("phase", "victim"), cases(EVERY_CASE, always=[("fenced", "worker")], by_chance=4))
def test_a_crash_loses_nothing_and_people_go_on(ground: Ground, phase: str, victim: str) -> None:
    orders, struck_at = change_over_under(
        ground,
        "maintenance",
        lambda shop, target: ground.sabotage(phase, victim, ground.pid(victim, shop, target)),
    )

    assert_people_went_on(orders, struck_at, victim)


def test_a_frozen_worker_is_ended_and_its_work_goes_on(ground: Ground) -> None:
    worker = ground.plane.child("worker")
    worker.send_signal(signal.SIGSTOP)

    wait_until(lambda: not worker.is_running(), what="the end of the frozen worker", timeout_s=20)
    wait_until(ground.plane.healthy, what="the next worker")
