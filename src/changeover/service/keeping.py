"""The permanent tasks of the worker. Each runs when notified, and periodically."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from psycopg_pool import AsyncConnectionPool

from changeover.errors import ChangeoverError
from changeover.hosts.disks import full_disk_behind
from changeover.platform.keeping.ends import UNSETTLED_S, Ends
from changeover.platform.routing import Routing, has_code
from changeover.platform.scope import Parts
from changeover.service.watching import Patience
from changeover.store.changes import Changes

log = logging.getLogger(__name__)

FULL_DISK_PAUSE_S = 2.0
APPS_S = 10.0
"""How often the process supervisor and the router are checked, because they may hang without ending."""
Answer = TypeVar("Answer")
Look = Callable[[], Awaitable[float]]
"""Returns the seconds until the next round."""


async def whenever(changes: Changes, tables: tuple[str, ...], make: Callable[[asyncio.Event], Look]) -> None:
    """Repeat a round forever: when a table changes, when the round's event is set, and after the time that it returned."""
    with changes.bell(*tables) as bell:
        look = make(bell)
        while True:
            bell.clear()
            wait_s = await outlasting_full_disks(look)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await bell.wait()


async def every(seconds: float, act: Callable[[], Awaitable[Any]]) -> None:
    while True:
        await outlasting_full_disks(act)
        await asyncio.sleep(seconds)


async def outlasting_full_disks(act: Callable[[], Awaitable[Answer]]) -> Answer:
    """Retry until it returns. A full disk does not end the worker: it is logged once, and retried until there is room."""
    said = ""
    while True:
        try:
            answer = await act()
            _raise_if_cancelled()
        except Exception as failure:
            full = full_disk_behind(failure, "The job worker can't continue a part of its work: a disk is full.")
            if full is None:
                raise
            if full.what != said:
                log.error("%s", full.message)  # noqa: TRY400 - not a bug
            said = full.what
            await asyncio.sleep(FULL_DISK_PAUSE_S)
        else:
            return answer


def _raise_if_cancelled() -> None:
    """Of a task that waits for a new pool's first connection, psycopg_pool loses the cancellation."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class AppKeeper:
    """Starts, adopts or restarts the process supervisor and the router. Retries a second after a failure.

    A process that runs but does not answer has as much time as our own processes, because a busy machine may be slow.

    Neither runs before the first deploy, so an installation that only moves databases doesn't need them.
    """

    def __init__(
        self,
        parts: Parts,
        pool: AsyncConnectionPool[Any],
        bell: asyncio.Event,
        *,
        router_listen: str,
        frozen_after_s: float,
    ) -> None:
        self._parts, self._pool, self._router_listen = parts, pool, router_listen
        self._ends, self._routing = Ends(bell), Routing(parts)
        self._with_dynos = Patience("supervisord", frozen_after_s)
        self._with_router = Patience("router", frozen_after_s)

    async def look(self) -> float:
        if not await has_code(self._pool):
            return APPS_S
        try:
            is_settled = await self._keep_dynos()
            is_settled = await self._keep_router() and is_settled
            is_settled = await self._routing.look(self._pool) and is_settled
        except ChangeoverError as error:
            log.warning("%s", error.message)
            return UNSETTLED_S
        return APPS_S if is_settled else UNSETTLED_S

    async def _keep_dynos(self) -> bool:
        if await self._parts.dynos.is_alive():
            self._with_dynos.answered()
            self._ends.watch("supervisord", self._parts.dynos.until_down)
            return True
        if self._with_dynos.is_over(await self._parts.dynos.silent_process()):
            await self._parts.dynos.start()
        return False

    async def _keep_router(self) -> bool:
        if (await self._parts.router.health()).is_up:
            self._with_router.answered()
            self._ends.watch("router", self._parts.router.until_down)
            return True
        if self._with_router.is_over(await self._parts.router.silent_process()):
            await self._parts.router.start(self._router_listen)
        return False
