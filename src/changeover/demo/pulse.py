"""The shop's current load: a live line on a terminal, otherwise a sentence at the end of a chapter."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from changeover.demo.screen import Screen
from changeover.demo.trade import Trade
from changeover.errors import DemoFailed

BEAT_S = 0.5
LAG_EVERY_S = 2.0


@dataclass(frozen=True)
class Reading:
    """Counters at one moment."""

    at: float
    requests: int
    commits: int


class Pulse:
    """Updates the line while `beating`. `ask_lag` returns how many commits the follower is behind, or None."""

    def __init__(self, trade: Trade, screen: Screen, ask_lag: Callable[[], Awaitable[int | None]]) -> None:
        self._trade = trade
        self._screen = screen
        self._ask_lag = ask_lag
        self._lag: int | None = None
        self._chapter = self._read()
        self.follows = False
        """Whether there is a follower."""

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        tasks = (
            [asyncio.create_task(self._beat()), asyncio.create_task(self._watch_lag())] if self._screen.is_live else []
        )
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._screen.live("")

    def sum_up(self) -> None:
        """Called at the end of a chapter."""
        former, self._chapter = self._chapter, self._read()
        if former.commits and not self._screen.is_live:
            self._screen.note(f"meanwhile {rates(former, self._chapter)}")

    async def _beat(self) -> None:
        former = self._read()
        while True:
            await asyncio.sleep(BEAT_S)
            now = self._read()
            behind = "" if not self.follows or self._lag is None else f" · behind by {self._lag} commits"
            self._screen.live(rates(former, now) + behind)
            former = now

    async def _watch_lag(self) -> None:
        while True:
            if self.follows:
                with contextlib.suppress(DemoFailed):  # only for display; the demo's decisions use other queries
                    self._lag = await self._ask_lag()
            await asyncio.sleep(LAG_EVERY_S)

    def _read(self) -> Reading:
        return Reading(time.monotonic(), self._trade.requests, self._trade.commits)


def rates(former: Reading, now: Reading) -> str:
    """In words. Includes requests only if there were any."""
    seconds = max(now.at - former.at, 1e-3)
    requests = f"{(now.requests - former.requests) / seconds:.0f} requests/s · " if now.requests else ""
    return f"{requests}{(now.commits - former.commits) / seconds:.0f} commits/s"
