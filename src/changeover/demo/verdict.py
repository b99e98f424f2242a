"""The demo's result, from the orders that were acknowledged, refused and found. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from changeover.demo.customers import Request

FIRST_FEW = 5


@dataclass(frozen=True)
class Serving:
    """How requests to the app went."""

    requests: int
    unavailable_s: float
    """From the first request that got the maintenance page to the first success after the last one that did."""
    failed_requests: int
    """All other failures, and maintenance pages while maintenance mode was off."""
    first_failure: str


@dataclass(frozen=True)
class Verdict:
    """`serving` is None without an app."""

    pause_s: float
    """The longest time between two acknowledged orders."""
    acknowledged: int
    found: int
    first_lost: tuple[int, ...]
    """The first few orders that were acknowledged but not found."""
    serving: Serving | None = None

    @property
    def lost(self) -> int:
        return self.acknowledged - self.found

    @property
    def is_good(self) -> bool:
        return not self.lost and not (self.serving and self.serving.failed_requests)

    def as_dict(self) -> dict[str, object]:
        """Flat, for scripts."""
        own = {name: value for name, value in asdict(self).items() if name != "serving"}
        return own | {"lost": self.lost} | (asdict(self.serving) if self.serving else {})


def judge(acknowledged: dict[int, float], found: set[int], serving: Serving | None) -> Verdict:
    """`acknowledged`: orders and their times. `found`: orders in the database."""
    lost = sorted(acknowledged.keys() - found)
    return Verdict(
        pause_s=longest_gap_s(acknowledged),
        acknowledged=len(acknowledged),
        found=len(acknowledged) - len(lost),
        first_lost=tuple(lost[:FIRST_FEW]),
        serving=serving,
    )


def longest_gap_s(acknowledged: dict[int, float]) -> float:
    times = sorted(acknowledged.values())
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


def serving_of(requests: Sequence[Request], maintenance: tuple[float, float] | None) -> Serving:
    """`requests` in the order of their answers. `maintenance`: when it was switched on and off."""
    failed = [request for request in requests if _has_failed(request, maintenance)]
    said = [request.said or "it got the maintenance page outside maintenance mode" for request in failed]
    return Serving(len(requests), _unavailable_s(requests), len(failed), next(iter(said), ""))


def _has_failed(request: Request, maintenance: tuple[float, float] | None) -> bool:
    if request.outcome != "maintenance":
        return request.outcome == "failed"
    return maintenance is None or request.answered_at < maintenance[0] or request.sent_at > maintenance[1]


def _unavailable_s(requests: Sequence[Request]) -> float:
    refused = [request.answered_at for request in requests if request.outcome == "maintenance"]
    if not refused:
        return 0.0
    served = (request.answered_at for request in requests if request.outcome == "acknowledged")
    return next((at for at in served if at > refused[-1]), requests[-1].answered_at) - refused[0]
