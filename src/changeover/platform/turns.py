"""Turns: how much of one thing an account may use at the same time, so that the rest is left for the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from changeover.errors import ChangeoverError


@dataclass
class _Queue:
    """Of one account; forgotten once no request holds or awaits a turn."""

    turns: asyncio.Semaphore
    users: int = 0


@dataclass
class Turns:
    """At most `most_of_account` for one account, and `most` for all. A request that finds no turn waits, at most `patience_s`."""

    most_of_account: int
    most: int
    patience_s: float
    refusal: Callable[[int], ChangeoverError]
    most_waiting: int = 1000
    """Of one account; a further one is refused at once, because a waiting request holds a connection."""
    _queues: dict[UUID, _Queue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._all = asyncio.Semaphore(self.most)

    @asynccontextmanager
    async def taken_by(self, account: UUID) -> AsyncIterator[None]:
        """Raises the refusal."""
        queue = self._queues.setdefault(account, _Queue(asyncio.Semaphore(self.most_of_account)))
        if queue.users >= self.most_of_account + self.most_waiting:
            raise self.refusal(self.most_of_account)
        queue.users += 1
        try:
            await self._wait(queue)
            try:
                yield
            finally:
                self._all.release()
                queue.turns.release()
        finally:
            queue.users -= 1
            if not queue.users:
                del self._queues[account]

    async def _wait(self, queue: _Queue) -> None:
        """The account's own turn first: a request that waits for it does not delay other accounts."""
        try:
            async with asyncio.timeout(self.patience_s):
                await queue.turns.acquire()
                try:
                    await self._all.acquire()
                except BaseException:
                    queue.turns.release()
                    raise
        except TimeoutError:
            raise self.refusal(self.most_of_account) from None
