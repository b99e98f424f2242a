"""A crash in every phase of the pause, of whoever takes part: nothing is lost, one leader only, and people go on."""

from __future__ import annotations

import itertools

import pytest
from tests.changeovers.fix_crashes import Ground, cases, change_over_under
from tests.changeovers.test_changeovers import PHASES

VICTIMS = ("worker", "frozen worker", "control-plane", "state", "source", "target")
EVERY_CASE = list(itertools.product(PHASES, VICTIMS))


@pytest.mark.parametrize(("phase", "victim"), cases(EVERY_CASE, always=[("fenced", "worker")], by_chance=4))
def test_a_crash_loses_nothing_and_people_go_on(ground: Ground, phase: str, victim: str) -> None:
    change_over_under(
        ground,
        "maintenance",
        lambda shop, target: ground.sabotage(phase, victim, ground.pid(victim, shop, target)),
    )
