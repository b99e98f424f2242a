"""Standing jobs look when they are woken, and now and then besides: a notification may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from changeover.platform.keeping.ends import Ends
from changeover.service.keeping import Look, whenever
from changeover.store.changes import Changes

WITHIN_S = 60
FOR_LONG = 3600.0


class Looks:
    """Counts the looks; each returns the next of `waits`, the last one again and again."""

    def __init__(self, *waits: float) -> None:
        self._waits = list(waits)
        self.count = 0
        self._changed = asyncio.Condition()

    def make(self, bell: asyncio.Event) -> Look:
        self.bell = bell
        return self._look

    async def _look(self) -> float:
        async with self._changed:
            self.count += 1
            self._changed.notify_all()
        return self._waits.pop(0) if len(self._waits) > 1 else self._waits[0]

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(WITHIN_S), self._changed:
            await self._changed.wait_for(lambda: self.count >= count)


@asynccontextmanager
async def standing(looks: Looks) -> AsyncIterator[None]:
    task = asyncio.ensure_future(whenever(Changes(), (), looks.make))
    await looks.reach(1)
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_looks_when_its_bell_rings_however_long_it_would_wait() -> None:
    looks = Looks(FOR_LONG)
    async with standing(looks):
        looks.bell.set()
        await looks.reach(2)


async def test_it_looks_again_where_nobody_rings() -> None:
    looks = Looks(0.01, FOR_LONG)
    async with standing(looks):
        await looks.reach(2)


async def test_a_ring_during_a_look_is_not_lost() -> None:
    looks = Looks(FOR_LONG)

    def ringing(bell: asyncio.Event) -> Look:
        look = looks.make(bell)

        async def ring_once() -> float:
            if looks.count == 0:
                bell.set()
            return await look()

        return ring_once

    task = asyncio.ensure_future(whenever(Changes(), (), ringing))
    await looks.reach(2)
    task.cancel()


async def test_a_cancellation_that_a_look_has_swallowed_is_obeyed() -> None:
    begun = asyncio.Event()

    def swallowing(_bell: asyncio.Event) -> Look:
        async def look() -> float:
            begun.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return FOR_LONG

        return look

    task = asyncio.ensure_future(whenever(Changes(), (), swallowing))
    await asyncio.wait_for(begun.wait(), WITHIN_S)
    task.cancel()
    await asyncio.wait({task}, timeout=WITHIN_S)
    assert task.cancelled()


async def test_what_ends_rings_and_is_to_be_looked_at() -> None:
    bell, end = asyncio.Event(), asyncio.Event()
    ends = Ends(bell)

    async def until_down() -> None:
        await end.wait()

    ends.watch("a server", until_down)
    assert ends.is_fresh("a server")
    end.set()
    await asyncio.wait_for(bell.wait(), WITHIN_S)
    await asyncio.sleep(0)  # lets the task that rang end
    assert not ends.is_fresh("a server")


async def test_what_is_not_wanted_any_more_is_not_watched() -> None:
    ends = Ends(asyncio.Event())

    async def until_down() -> None:
        await asyncio.Event().wait()

    ends.watch("a server", until_down)
    ends.watch("another", until_down)
    ends.forget_all_but({"another"})
    assert (ends.is_fresh("a server"), ends.is_fresh("another")) == (False, True)
    ends.forget_all_but(())
