"""Slots are shared fairly: waiting runs hold none, and no account keeps another one's runs from beginning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from changeover.runs.slots import KEPT_S, Slot, Slots, may_hold_another

ANNA, BERT = uuid4(), uuid4()
Behavior = Callable[[Slot], Awaitable[float | None]]


class Work:
    """What is driven, and what it does then."""

    def __init__(self, *, total: int = 16) -> None:
        self.slots = Slots(self._drive, total=total)
        self.driven: set[int] = set()
        self.order: list[int] = []
        self.behaviors: dict[int, Behavior] = {}
        self.changed = asyncio.Condition()

    async def _drive(self, run_id: int, slot: Slot) -> float | None:
        self.order.append(run_id)
        self.driven.add(run_id)
        await self._tell()
        try:
            return await self.behaviors[run_id](slot)
        finally:
            self.driven.discard(run_id)
            await asyncio.shield(self._tell())

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def add(self, run_id: int, account: UUID | None, behavior: Behavior, *, comes_last: bool = False) -> None:
        self.behaviors[run_id] = behavior
        self.slots.add(run_id, account, comes_last=comes_last)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(condition)


@asynccontextmanager
async def working(work: Work) -> AsyncIterator[Work]:
    running = asyncio.create_task(work.slots.run())
    try:
        yield work
    finally:
        await asyncio.sleep(0)
        running.cancel()
        for task in [one.task for one in work.slots._known.values() if one.task is not None]:
            task.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def block(_slot: Slot) -> float | None:
    await asyncio.Event().wait()
    return None


async def end(_slot: Slot) -> float | None:
    return None


async def test_three_hundred_blocking_runs_of_one_account_leave_a_slot_for_another() -> None:
    async with working(Work()) as work:
        for run in range(300):
            work.add(run, ANNA, block)
        await work.until(lambda: len(work.driven) == 11)

        work.add(1000, BERT, block)
        work.add(1001, BERT, block)
        await work.until(lambda: {1000, 1001} <= work.driven)

        assert len(work.driven) == 13


@pytest.mark.parametrize("accounts", [1, 2, 3, 5])
async def test_however_many_accounts_block_the_next_one_still_finds_a_free_slot(accounts: int) -> None:
    async with working(Work()) as work:
        for account in [uuid4() for _ in range(accounts)]:
            for _ in range(50):
                work.add(len(work.behaviors), account, block)
        await work.until(lambda: len(work.driven) >= 11)

        work.add(1000, BERT, block)
        await work.until(lambda: 1000 in work.driven)


def test_an_account_holds_at_most_twice_what_is_free_and_gets_its_first_slot_from_a_reserve() -> None:
    assert [may_hold_another(held, in_use=13) for held in (5, 6)] == [True, False]
    assert [may_hold_another(0, in_use=used) for used in (15, 16, 23, 24)] == [True, True, True, False]
    assert not may_hold_another(1, in_use=16)


async def test_accounts_take_turns_when_slots_become_free() -> None:
    release = asyncio.Event()

    async def until_released(_slot: Slot) -> float | None:
        await release.wait()
        return None

    async with working(Work(total=1)) as work:
        work.add(0, ANNA, until_released)
        for run in (1, 2, 3):
            work.add(run, ANNA, end)
        for run in (11, 12, 13):
            work.add(run, BERT, end)
        release.set()
        await work.until(lambda: len(work.order) == 7)

        assert work.order == [0, 11, 1, 12, 2, 13, 3]


async def test_work_that_no_app_waits_for_comes_last_among_the_runs_of_an_account() -> None:
    release = asyncio.Event()

    async def until_released(_slot: Slot) -> float | None:
        await release.wait()
        return None

    async with working(Work(total=1)) as work:
        work.add(0, ANNA, until_released)
        work.add(1, ANNA, end, comes_last=True)
        work.add(2, ANNA, end)
        release.set()
        await work.until(lambda: len(work.order) == 3)

        assert work.order == [0, 2, 1]


async def test_a_long_wait_holds_no_slot_and_ends_by_an_event() -> None:
    async def wait_for_days(slot: Slot) -> float | None:
        return await slot.stay(86400.0, False) or None

    async with working(Work(total=1)) as work:
        work.add(1, ANNA, wait_for_days)
        work.add(2, ANNA, end)
        await work.until(lambda: work.order == [1, 2] and not work.driven)

        work.behaviors[1] = end
        work.slots.wake(1)
        await work.until(lambda: work.order == [1, 2, 1])


async def test_a_wait_whose_event_is_lost_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.runs.slots.LONGEST_S", 0.01)

    async def wait_for_days(slot: Slot) -> float | None:
        return None if len(work.order) > 1 else await slot.stay(86400.0, False)

    async with working(Work(total=1)) as work:
        work.add(1, ANNA, wait_for_days)
        await work.until(lambda: work.order == [1, 1])


async def test_a_long_wait_ends_by_time() -> None:
    async def wait_once(slot: Slot) -> float | None:
        return None if work.order.count(1) > 1 else await slot.stay(KEPT_S + 0.1, False)

    async with working(Work(total=1)) as work:
        work.add(1, ANNA, wait_once)
        await work.until(lambda: work.order == [1, 1])


async def test_a_short_wait_keeps_its_slot_until_another_run_needs_it() -> None:
    left: list[float] = []

    async def wait_shortly(slot: Slot) -> float | None:
        if not left:
            left.append(await slot.stay(KEPT_S, False))
            return left[-1] or None
        return None

    async with working(Work(total=1)) as work:
        work.add(1, ANNA, wait_shortly)
        await work.until(lambda: work.driven == {1})
        work.add(2, BERT, end)
        await work.until(lambda: work.order == [1, 2])

        assert 0 < left[0] <= KEPT_S


async def test_an_urgent_short_wait_keeps_its_slot_whatever_is_queued() -> None:
    left: list[float] = []

    async def wait_urgently(slot: Slot) -> float | None:
        left.append(await slot.stay(0.05, True))
        return None

    async with working(Work(total=1)) as work:
        work.add(1, ANNA, wait_urgently)
        work.add(2, BERT, end)
        await work.until(lambda: work.order == [1, 2])

        assert left == [0.0]


async def test_an_event_during_a_step_makes_it_look_again_instead_of_waiting() -> None:
    in_step, go_on = asyncio.Event(), asyncio.Event()
    left: list[float] = []

    async def act_then_wait(slot: Slot) -> float | None:
        in_step.set()
        await go_on.wait()
        left.append(await slot.stay(86400.0, False))
        return None

    async with working(Work()) as work:
        work.add(1, ANNA, act_then_wait)
        await in_step.wait()
        work.slots.wake(1)
        go_on.set()
        await work.until(lambda: not work.driven)

        assert left == [0.0]


async def test_a_run_that_cannot_be_driven_is_forgotten_so_that_the_sweep_finds_it_again() -> None:
    async def fail(_slot: Slot) -> float | None:
        raise LookupError("no such kind")

    async with working(Work()) as work:
        work.add(1, ANNA, fail)
        await work.until(lambda: work.order == [1] and not work.driven)
        async with asyncio.timeout(10):
            while work.slots.knows(1):  # noqa: ASYNC110 - the drive has ended, and its slot is about to notice
                await asyncio.sleep(0)


async def test_at_the_end_waiting_runs_leave_and_nothing_new_begins() -> None:
    async def wait_shortly(slot: Slot) -> float | None:
        return await slot.stay(KEPT_S, False) or None

    work = Work()
    running = asyncio.create_task(work.slots.run())
    await asyncio.sleep(0)
    work.add(1, ANNA, wait_shortly)
    await work.until(lambda: work.driven == {1})

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    work.slots.add(2, ANNA)

    assert (work.driven, work.order) == (set(), [1])
