"""A crash in every phase of the pause that nobody feels: people come through the pooler, and it may be the victim too."""

from __future__ import annotations

import itertools

import pytest
from tests.changeovers.fix_crashes import Ground, cases, change_over_under
from tests.changeovers.test_changeovers import PHASES

VICTIMS = ("worker", "frozen worker", "control-plane", "state", "source", "target", "pooler")
EVERY_CASE = list(itertools.product(PHASES, VICTIMS))
ALWAYS = [("held", "worker"), ("point of no return", "worker"), ("fenced", "pooler"), ("promoted", "pooler")]


@pytest.mark.parametrize(("phase", "victim"), cases(EVERY_CASE, always=ALWAYS, by_chance=1))
def test_behind_a_pooler_a_crash_loses_nothing_and_people_go_on(ground: Ground, phase: str, victim: str) -> None:
    orders = change_over_under(
        ground,
        "pooled",
        lambda shop, target: ground.sabotage(phase, victim, ground.pid(victim, shop, target)),
    )

    if victim in ("worker", "frozen worker", "control-plane"):
        assert orders.failures == []
