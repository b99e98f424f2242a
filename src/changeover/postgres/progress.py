"""The progress of long work on a database, as shown by progress bars, events and a run's row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """A snapshot of the progress. `things` are what the phase works through: tables, index builds, ranges."""

    phase: str
    """A few words: `copy tables`."""
    says: str = ""
    """What it is doing or waiting for, in one line: `public.orders, range 3 of 12`."""
    things_done: int = 0
    things_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    bytes_per_s: float | None = None
    seconds_left: float | None = None

    @property
    def percent(self) -> int | None:
        """By bytes if known, else by things. 100 only when everything is done."""
        done, total = (self.bytes_done, self.bytes_total) if self.bytes_total else (self.things_done, self.things_total)
        return min(100, 100 * done // total) if total else None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"percent": self.percent}


Tell = Callable[[Progress], Awaitable[None]]
"""A progress callback. Called often, so it must be cheap."""
