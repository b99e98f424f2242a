"""A connection to our state, held by one request, and released while the request queries other servers.

The state has few connections and answers within milliseconds. Another server may take seconds, or never answer. If a request
kept its connection in the meantime, all others would wait for that server.
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
"""Questions that may take longer than LONG_S have their own limits, so that they can't delay short ones."""
QUEUE_S = 10.0
ANSWER_S = 20.0
"""For all that one request asks at once. Each question has its own, shorter deadline."""

Left = Callable[[], Awaitable[None]]
"""Returns when the client of a request has disconnected."""


def _short() -> Turns:
    return Turns(MOST_QUESTIONS_OF_ACCOUNT, MOST_QUESTIONS, QUEUE_S, TooManyQuestions)


def _long() -> Turns:
    return Turns(MOST_LONG_OF_ACCOUNT, MOST_LONG, QUEUE_S, TooManyQuestions)


@dataclass(frozen=True)
class Questions:
    """Limits on questions to other servers, for all requests of this process."""

    short: Turns = field(default_factory=_short)
    long: Turns = field(default_factory=_long)

    def lasting(self, most_s: float | None) -> Turns:
        return self.long if most_s is None or most_s > LONG_S else self.short


@dataclass
class Lease:
    """One request's connection. `async with` commits at the end, and rolls back on an exception, as the pool does."""

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
        """Commit, wait for the account's turn, and pass another connection to `put` at the end.

        Raises TooManyQuestions, and ServerUnreachable if the block takes longer than `most_s` or its client disconnects.
        """
        await self.__aexit__(None, None, None)
        try:
            async with self.questions.lasting(most_s).taken_by(account), _until(most_s, self.left):
                yield
        except Exception:
            put(await self._take())  # callers that handle the failure may need the state
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
            why="The request took too long." if most_s is None else f"{most_s:g} s passed.",
        ) from None


async def _end_when(left: Left, deadline: asyncio.Timeout) -> None:
    with contextlib.suppress(ChangeoverError):  # its body did not arrive: it counts as disconnected
        await left()
    with contextlib.suppress(RuntimeError):  # the block ended at the same moment
        deadline.reschedule(asyncio.get_running_loop().time())
