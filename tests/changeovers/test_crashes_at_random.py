"""Somebody is killed, or sleeps for a second, at any moment of a changeover, not only at its phases."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from time import monotonic

import pytest
from tests.changeovers.fix_crashes import SEED, Ground, Strike, change_over_under
from tests.changeovers.fix_orders import Shop

LONGEST_S, SLEEP_S = 3.0, 1.0
VICTIMS = ("worker", "control-plane", "state", "source", "target", "pooler")
ORDINARY, ALL = 2, 20


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(n, id=f"case {n}, seed {SEED}", marks=[] if n < ORDINARY else [pytest.mark.long])
        for n in range(ALL)
    ],
)
def test_harm_at_any_moment_loses_nothing(ground: Ground, number: int) -> None:
    chance = random.Random(SEED * 1000 + number)  # noqa: S311 - chosen by chance, not secret
    hold = chance.choice(["maintenance", "pooled"])
    victim = chance.choice(VICTIMS if hold == "pooled" else VICTIMS[:-1])
    how, after_s = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP]), chance.uniform(0, LONGEST_S)
    print(f"{hold}: {how.name} to the {victim} after {after_s:.3f} s")

    change_over_under(ground, hold, harm(ground, victim, how, after_s))


def harm(ground: Ground, victim: str, how: signal.Signals, after_s: float) -> Strike:
    """`after_s` counts from the first look, when the changeover has just begun. Who was stopped wakes up again."""

    def strike(shop: Shop, target: str) -> Callable[[], float | None]:
        pid = ground.plane.child("worker").pid if victim == "worker" else ground.pid(victim, shop, target)
        looks: list[float] = []
        stopped_at: list[float] = []

        def look() -> float | None:
            looks.append(monotonic())
            if not stopped_at and looks[-1] - looks[0] >= after_s:
                os.kill(pid, how)
                stopped_at.append(looks[-1])
            if not stopped_at or (how == signal.SIGSTOP and looks[-1] - stopped_at[0] < SLEEP_S):
                return None
            if how == signal.SIGSTOP:
                os.kill(pid, signal.SIGCONT)
            return stopped_at[0]

        return look

    return strike
