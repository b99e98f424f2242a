"""The phases of the pause, in order, and when they happened. Report, CLI and docs are drawn from this table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

FOLLOWER, SNAPSHOT = "follower", "snapshot"


@dataclass(frozen=True)
class Phase:
    """One phase, and the methods whose pause has it. `says` is what users read."""

    name: str
    says: str
    methods: tuple[str, ...]


PHASES = (
    Phase("armed", "Record that a pause begins", (FOLLOWER,)),
    Phase("held", "Hold the writers back, as asked", (FOLLOWER, SNAPSHOT)),
    Phase("copied", "Copy schema, data, indexes, constraints, rights", (SNAPSHOT,)),
    Phase("compared", "Compare both sides, as asked", (SNAPSHOT,)),
    Phase("fenced", "Make it impossible to write to the source", (FOLLOWER,)),
    Phase("drained", "Wait until the target has every committed write", (FOLLOWER,)),
    Phase("point of no return", "From here on it is finished, and never undone", (FOLLOWER, SNAPSHOT)),
    Phase("promoted", "Make the target writable", (FOLLOWER,)),
    Phase("canary", "Write and read on the target, before any client may", (FOLLOWER,)),
    Phase("routed", "Lead the clients to the target", (FOLLOWER, SNAPSHOT)),
    Phase("released", "Let the writers continue", (FOLLOWER, SNAPSHOT)),
)


def phases_of(method: str) -> Sequence[Phase]:
    """The phases that a pause of this method has, in order."""
    return tuple(phase for phase in PHASES if method in phase.methods)


def is_reached(phase: str, reached: str | None) -> bool:
    """Whether a pause that has reached `reached` (None: nothing yet) is past `phase`. Raises KeyError for other names."""
    order = {one.name: number for number, one in enumerate(PHASES)}
    return reached is not None and order[phase] <= order[reached]


def present_phase(method: str, reached: str | None) -> Phase:
    """The first phase that a pause which has reached `reached` is not past yet; the last one at the end."""
    phases = phases_of(method)
    return next((phase for phase in phases if not is_reached(phase.name, reached)), phases[-1])


@dataclass
class Timeline:
    """The phases with their moments, in seconds since the first."""

    began: float = field(default_factory=time.monotonic)
    events: list[dict[str, Any]] = field(default_factory=list)

    def mark(self, phase: str, **facts: Any) -> None:
        self.events.append({"phase": phase, "at_s": round(time.monotonic() - self.began, 4), **facts})
