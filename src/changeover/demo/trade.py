"""How orders come to be: the contract of the demo's two forms, `storefront.py` and `direct.py`."""

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
    """Async context: what still orders at the end is ended. Each verb returns when it is true."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def begin(self) -> None:
        """Orders flow into the database of the app."""

    async def hold(self) -> None:
        """None is under way any more, and none can come."""

    async def resume(self) -> None:
        """They flow again, into what is the app's database now."""

    async def end(self) -> None:
        """No further ones are counted."""

    @property
    def requests(self) -> int:
        """How many there were, of any outcome."""

    @property
    def commits(self) -> int:
        """How many orders were acknowledged."""

    def acknowledged(self) -> dict[int, float]:
        """Each acknowledged order, and when (seconds of the machine's monotonic clock)."""

    def serving(self) -> Serving | None:
        """How the app's visitors fared, where there is an app."""


async def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Raises DemoFailed when it takes too long."""
    until = time.monotonic() + FLOWS_S
    while not condition():
        if time.monotonic() > until:
            raise DemoFailed(f"Waited {FLOWS_S} s in vain for {what}.", said="")
        await asyncio.sleep(LOOK_AGAIN_S)
