"""The interface of the demo's two forms, `storefront.py` and `direct.py`, which produce orders."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from changeover.demo.verdict import Serving
from changeover.errors import DemoFailed

FLOWS_S = 30
LOOK_AGAIN_S = 0.01


class Trade(Protocol):
    """Async context: stops producing orders on exit. Each verb returns when its effect is complete."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def begin(self) -> None:
        """Start sending orders to the app's database."""

    async def hold(self) -> None:
        """Stop: no order is in progress, and none can begin."""

    async def resume(self) -> None:
        """Start again, with the app's current database."""

    async def end(self) -> None:
        """Stop counting orders."""

    @property
    def requests(self) -> int:
        """The number of requests, with any outcome."""

    @property
    def commits(self) -> int:
        """The number of acknowledged orders."""

    def acknowledged(self) -> dict[int, float]:
        """Each acknowledged order, and when (seconds of the machine's monotonic clock)."""

    def serving(self) -> Serving | None:
        """How requests to the app went, if there is an app."""


async def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Raises DemoFailed when it takes too long."""
    until = time.monotonic() + FLOWS_S
    while not condition():
        if time.monotonic() > until:
            raise DemoFailed(f"Timed out after {FLOWS_S} s, waiting for {what}.", said="")
        await asyncio.sleep(LOOK_AGAIN_S)
