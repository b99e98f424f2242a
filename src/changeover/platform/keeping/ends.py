"""Tracks which watched processes have ended, with events from the kernel instead of polling."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

SETTLED_S, UNSETTLED_S = 30.0, 1.0
"""When to check again: if all is well (an end sets the event earlier), and if not."""


@dataclass(frozen=True)
class _Watched:
    task: asyncio.Task[None]
    since: float


class Ends:
    """Sets `bell` when a watched process has ended."""

    def __init__(self, bell: asyncio.Event) -> None:
        self._bell = bell
        self._watched: dict[str, _Watched] = {}

    def watch(self, name: str, until_down: Callable[[], Awaitable[None]]) -> None:
        """Watch a process that was just checked and runs."""
        former = self._watched.get(name)
        if former is not None and not former.task.done():
            self._watched[name] = _Watched(former.task, time.monotonic())
            return
        task = asyncio.ensure_future(self._ring_after(until_down))
        self._watched[name] = _Watched(task, time.monotonic())

    def is_fresh(self, name: str) -> bool:
        """It runs, and was checked recently."""
        one = self._watched.get(name)
        return one is not None and not one.task.done() and time.monotonic() - one.since < SETTLED_S

    def forget_all_but(self, names: Collection[str]) -> None:
        for name in self._watched.keys() - set(names):
            self._watched.pop(name).task.cancel()

    async def _ring_after(self, until_down: Callable[[], Awaitable[None]]) -> None:
        """Delayed for a process that was just started, so one that keeps ending is checked once a second."""
        began = time.monotonic()
        await until_down()
        await asyncio.sleep(UNSETTLED_S - (time.monotonic() - began))
        self._bell.set()
