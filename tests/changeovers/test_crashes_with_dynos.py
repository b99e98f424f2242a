"""A crash while an app's dynos are down and its visitors see a page: afterwards both are as they were."""

from __future__ import annotations

import pytest
from tests.changeovers.fix_crashes import Ground, cases, change_over_under

EVERY_CASE = [
    (phase, victim) for victim in ("router", "worker") for phase in ("armed", "fenced", "promoted", "released")
]


@pytest.mark.parametrize(("phase", "victim"), cases(EVERY_CASE, always=[("fenced", "router")], by_chance=0))
def test_after_a_crash_in_maintenance_the_app_is_back(ground: Ground, phase: str, victim: str) -> None:
    change_over_under(
        ground, "web", lambda shop, target: ground.sabotage(phase, victim, ground.pid(victim, shop, target))
    )

    assert not any(app["maintenance"] for app in ground.things.api.get("/apps").json())
