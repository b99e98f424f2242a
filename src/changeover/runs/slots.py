"""Shares the worker's slots between accounts. A run has a slot only while it is worked on, not while it waits.

An account may have at most `SHARE` times as many slots as are free, so that one account alone leaves some free. If no slot is
free, an account without slots gets its first one from a reserve. The next slot goes to the account with the fewest slots,
then to the one served longest ago. Within an account, runs that users wait for come first, then the oldest.

A run that waits briefly keeps its slot and its state connection until another run needs them. A run that waits longer returns
them at once, and comes back when its time is up or at a tick (an abort, a cut-over). No I/O here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from uuid import UUID

log = logging.getLogger(__name__)

TOTAL = 16
SHARE = 2
KEPT_S = 2.0
"""A wait up to this long keeps its slot unless another run needs it."""
LONGEST_S = 300.0
"""A run that waits longer checks again after this time, so a lost tick only causes a delay."""
SOON_S, GRACE_S = 0.001, 5.0


def may_hold_another(held: int, in_use: int, *, total: int = TOTAL) -> bool:
    """Whether an account with `held` slots may get one more if all accounts together use `in_use`."""
    return held < SHARE * (total - in_use) or (held == 0 and in_use < total + total // 2)


@dataclass(eq=False)
class Slot:
    """One run: driven (`task`), waiting (`timer`), or queued (neither)."""

    run_id: int
    account_id: UUID | None
    comes_last: bool
    slots: Slots
    task: asyncio.Task[float | None] | None = None
    timer: asyncio.TimerHandle | None = None
    is_woken: bool = False
    """A tick came while it was driven: check again before waiting."""
    is_staying: bool = False
    stir: asyncio.Event = field(default_factory=asyncio.Event)

    async def stay(self, seconds: float, is_urgent: bool) -> float:
        """Wait inside the slot. Returns the remaining seconds if the run has to give up the slot, else 0."""
        if not self.is_woken:
            if seconds > KEPT_S or (not is_urgent and self.slots.is_any_queued):
                return max(seconds, SOON_S)
            left = await self._sleep(seconds, is_urgent=is_urgent)
            if left > 0 and not self.is_woken:
                return max(left, SOON_S)
        self.is_woken = False
        return 0.0

    async def _sleep(self, seconds: float, *, is_urgent: bool) -> float:
        """The remaining seconds if it was interrupted."""
        ends_at = asyncio.get_running_loop().time() + seconds
        self.stir.clear()
        self.is_staying = not is_urgent
        try:
            async with asyncio.timeout_at(ends_at):
                await self.stir.wait()
        except TimeoutError:
            return 0.0
        finally:
            self.is_staying = False
        return ends_at - asyncio.get_running_loop().time()


Drive = Callable[[int, Slot], Awaitable[float | None]]
"""Works on a run until it ends (returns None) or has to wait without a slot (returns the seconds)."""
_Queue = list[tuple[bool, int, Slot]]


class Slots:
    """All unfinished runs that this worker knows."""

    def __init__(self, drive: Drive, *, total: int = TOTAL) -> None:
        self._drive = drive
        self._total = total
        self._known: dict[int, Slot] = {}
        self._queues: dict[UUID | None, _Queue] = {}
        self._served: dict[UUID | None, int] = {}
        self._order = count()
        self._is_open = True

    @property
    def is_any_queued(self) -> bool:
        return not self._is_open or bool(self._queues)

    def knows(self, run_id: int) -> bool:
        return run_id in self._known

    def add(self, run_id: int, account_id: UUID | None, *, comes_last: bool = False, after_s: float = 0.0) -> None:
        """Drive it when it is its turn, but not before `after_s`. No effect if it is already known."""
        if run_id in self._known or not self._is_open:
            return
        one = self._known[run_id] = Slot(run_id, account_id, comes_last, self)
        self._wait(one, after_s)
        self._fill()

    def wake(self, run_id: int) -> None:
        """An event: stop waiting."""
        one = self._known.get(run_id)
        if one is None:
            return
        if one.task is not None:
            one.is_woken = True
            one.stir.set()
        elif one.timer is not None:
            one.timer.cancel()
            self._enqueue(one)

    async def run(self) -> None:
        """Run until cancelled. Then nothing new is started, and driven runs get a moment to end."""
        try:
            await asyncio.Event().wait()
        finally:
            self._is_open = False
            driven = [one.task for one in self._known.values() if one.task is not None]
            for one in self._known.values():
                one.stir.set()
                if one.timer is not None:
                    one.timer.cancel()
            if driven:
                await asyncio.wait(driven, timeout=GRACE_S)
            for task in driven:
                task.cancel()
            await asyncio.gather(*driven, return_exceptions=True)

    def _wait(self, one: Slot, seconds: float) -> None:
        if seconds > 0:
            one.timer = asyncio.get_running_loop().call_later(min(seconds, LONGEST_S), self._enqueue, one)
        else:
            self._enqueue(one)

    def _enqueue(self, one: Slot) -> None:
        one.timer = None
        heappush(self._queues.setdefault(one.account_id, []), (one.comes_last, next(self._order), one))
        self._fill()

    def _fill(self) -> None:
        while self._is_open and (one := self._next()) is not None:
            one.is_woken = False
            one.task = asyncio.create_task(self._driven(one))
        self._ask_for_slots(sum(len(queue) for queue in self._queues.values()))

    def _next(self) -> Slot | None:
        held = self._held()
        in_use = sum(held.values())
        ready = [one for one in self._queues if may_hold_another(held.get(one, 0), in_use, total=self._total)]
        if not ready:
            return None
        account = min(ready, key=lambda one: (held.get(one, 0), self._served.get(one, -1)))
        self._served[account] = next(self._order)
        _, _, slot = heappop(self._queues[account])
        if not self._queues[account]:
            del self._queues[account]
        return slot

    def _held(self) -> dict[UUID | None, int]:
        held: dict[UUID | None, int] = {}
        for one in self._known.values():
            if one.task is not None:
                held[one.account_id] = held.get(one.account_id, 0) + 1
        return held

    def _ask_for_slots(self, wanted: int) -> None:
        """Asks runs that only wait inside their slots, starting with the accounts that have the most."""
        held = self._held()
        staying = [one for one in self._known.values() if one.is_staying and one.task is not None]
        for one in sorted(staying, key=lambda one: -held[one.account_id])[:wanted]:
            one.stir.set()

    async def _driven(self, one: Slot) -> float | None:
        left: float | None = None
        try:
            left = await self._drive(one.run_id, one)
        except Exception:  # one run must not end the worker, and the sweep will find it again
            log.exception("run %s could not be driven", one.run_id)
        finally:
            one.task = None
            if left is None or not self._is_open:
                self._known.pop(one.run_id, None)
            else:
                self._wait(one, 0.0 if one.is_woken else left)
            self._fill()
        return left
