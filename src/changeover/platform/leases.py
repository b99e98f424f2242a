"""A connection of our state, held by one request, and given back while the request asks other servers.

The state has few connections and answers within milliseconds; another server may take seconds, or never answer. A request that
kept its connection meanwhile would make everyone wait for that server.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from changeover.errors import ChangeoverError, ServerUnreachable
from changeover.errors.requests import TooManyQuestions
from changeover.platform.turns import Turns
from changeover.store.query import Db

MOST_QUESTIONS_OF_ACCOUNT, MOST_QUESTIONS = 8, 64
LONG_S, MOST_LONG_OF_ACCOUNT, MOST_LONG = 180.0, 2, 16
"""A question that may take longer than LONG_S gets a turn of a share of its own. It can't keep short ones waiting."""
QUEUE_S = 10.0
ANSWER_S = 20.0
"""For all that one request asks at once. Each question has a shorter deadline of its own."""

Left = Callable[[], Awaitable[None]]
"""Returns once the client of a request has gone."""


def _short() -> Turns:
    return Turns(MOST_QUESTIONS_OF_ACCOUNT, MOST_QUESTIONS, QUEUE_S, TooManyQuestions)


def _long() -> Turns:
    return Turns(MOST_LONG_OF_ACCOUNT, MOST_LONG, QUEUE_S, TooManyQuestions)


@dataclass(frozen=True)
class Questions:
    """To other servers, of all requests of this process."""

    short: Turns = field(default_factory=_short)
    long: Turns = field(default_factory=_long)

    def lasting(self, most_s: float | None) -> Turns:
        return self.long if most_s is None or most_s > LONG_S else self.short


@dataclass
class Lease:
    """One request's. `async with` it: it commits at the end, and rolls back on an exception, as the pool does."""

    pool: AsyncConnectionPool[Any]
    questions: Questions
    left: Left | None = None
    _held: AbstractAsyncContextManager[Db] | None = None

    async def __aenter__(self) -> Db:
        return await self._take()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            await held.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def away(self, account: UUID, most_s: float | None, put: Callable[[Db], None]) -> AsyncIterator[None]:
        """Commits, waits for the account's turn, and hands `put` another connection at the end.

        Raises TooManyQuestions, and ServerUnreachable where the block takes longer than `most_s` or its client has gone.
        """
        await self.__aexit__(None, None, None)
        try:
            async with self.questions.lasting(most_s).taken_by(account), _until(most_s, self.left):
                yield
        except Exception:
            put(await self._take())  # the caller that handles the failure may want to look at the state
            raise
        put(await self._take())

    async def _take(self) -> Db:
        held: AbstractAsyncContextManager[Db] = self.pool.connection()
        db = await held.__aenter__()
        self._held = held
        return db


@asynccontextmanager
async def _until(most_s: float | None, left: Left | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(most_s) as deadline:
            watching = asyncio.ensure_future(_end_when(left, deadline)) if left else None
            try:
                yield
            finally:
                if watching is not None:
                    watching.cancel()
    except TimeoutError:
        raise ServerUnreachable(
            "The server does not answer.",
            why="It was asked for too long." if most_s is None else f"{most_s:g} s passed.",
        ) from None


async def _end_when(left: Left, deadline: asyncio.Timeout) -> None:
    with contextlib.suppress(ChangeoverError):  # its body did not arrive: it is as good as gone
        await left()
    with contextlib.suppress(RuntimeError):  # the block ended in the same moment: there is nothing left to end
        deadline.reschedule(asyncio.get_running_loop().time())
