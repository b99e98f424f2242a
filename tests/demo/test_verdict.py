"""What the demo concludes from what it saw."""

from __future__ import annotations

from typing import Literal

import pytest

from changeover.demo.customers import Request
from changeover.demo.verdict import judge, serving_of

Outcome = Literal["acknowledged", "maintenance", "failed"]
ON_AND_OFF = (10.0, 20.0)


def request(answered_at: float, outcome: Outcome) -> Request:
    return Request(
        order=1, sent_at=answered_at - 0.1, answered_at=answered_at, outcome=outcome, said="500" * (outcome == "failed")
    )


def test_an_order_that_was_acknowledged_and_is_not_there_is_lost() -> None:
    verdict = judge({1: 0.0, 2: 0.5, 3: 4.0}, {1, 3, 99}, None)

    assert (verdict.lost, verdict.first_lost, verdict.is_good) == (1, (2,), False)
    assert verdict.pause_s == 3.5


def test_an_app_is_unavailable_from_its_first_maintenance_page_to_the_next_success() -> None:
    requests = [request(at, "acknowledged") for at in (9.0, 10.2)]
    requests[1:1] = [request(10.1, "maintenance")]  # one that was under way still succeeds
    requests += [request(12.0, "maintenance"), request(19.0, "maintenance"), request(19.5, "acknowledged")]

    assert serving_of(requests, ON_AND_OFF).unavailable_s == pytest.approx(9.4)


@pytest.mark.parametrize(
    ("answered_at", "outcome", "failed"),
    [
        (15.0, "maintenance", 0),
        (9.9, "maintenance", 1),
        (20.05, "maintenance", 0),  # sent before it was off
        (20.2, "maintenance", 1),
        (15.0, "failed", 1),
        (5.0, "failed", 1),
        (5.0, "acknowledged", 0),
    ],
)
def test_a_request_may_fail_by_maintenance_mode_alone(answered_at: float, outcome: Outcome, failed: int) -> None:
    serving = serving_of([request(answered_at, outcome)], ON_AND_OFF)

    assert serving.failed_requests == failed
    assert bool(serving.first_failure) == bool(failed)
