"""Tasks for several concurrent workers: which tasks may run together, and which worker takes which."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.sessions import is_lost

TRIES: Final = 4
"""How often a task is retried after lost connections, while the others go on."""


@dataclass
class Hands:
    """One worker's sessions, opened on first use and again after a loss."""

    open_reader: Callable[[], Awaitable[Any]]
    open_target: Callable[[AsyncExitStack], Awaitable[Connection]]
    _reader: Any = None
    _target: Connection | None = None
    _kept: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def reader(self) -> Any:
        """An asyncpg session on the source, at the snapshot."""
        if self._reader is None:
            self._reader = await self.open_reader()
        return self._reader

    async def target(self) -> Connection:
        if self._target is None:
            self._target = await self.open_target(self._kept)
        return self._target

    async def let_go(self) -> None:
        """Close all open sessions, whatever their state."""
        if self._reader is not None:
            self._reader.terminate()
        self._reader = self._target = None
        kept, self._kept = self._kept, AsyncExitStack()
        await kept.aclose()


@dataclass(eq=False)
class Task:
    """One unit of work. `then` returns the tasks that it makes possible."""

    label: str
    run: Callable[[Hands], Awaitable[None]]
    alone_on: frozenset[int] = frozenset()
    """Oids of tables that no other task may work on at the same time."""
    beside_on: frozenset[int] = frozenset()
    """Oids of tables that tasks of the same kind may work on concurrently."""
    then: Callable[[], Sequence[Task]] = tuple
    losses: int = 0


class Board:
    """Waiting and running tasks. The most recently enabled task is taken first: its table is still cached."""

    def __init__(self, tasks: Iterable[Task], check: Callable[[], Awaitable[object]]) -> None:
        """`check` raises when the target went down: it may have lost what it reported as done, so everything is reread."""
        self.waiting = list(tasks)
        self.check = check
        self.running: set[Task] = set()
        self._changed = asyncio.Condition()

    async def work_off(self, hands: Sequence[Hands]) -> None:
        """Run until all tasks are done. Raises the first failure that retries did not fix, once every worker has stopped."""
        try:
            async with asyncio.TaskGroup() as group:
                for pair in hands:
                    group.create_task(self._work(pair))
        except BaseExceptionGroup as failures:
            raise first_of(failures) from failures
        finally:
            for pair in hands:
                await pair.let_go()

    async def _work(self, hands: Hands) -> None:
        while task := await self._take():
            try:
                await task.run(hands)
            except Exception as failure:
                await hands.let_go()
                if not is_lost(failure) or task.losses == TRIES:
                    raise
                await self.check()
                task.losses += 1
                await asyncio.sleep(0.25 * 2**task.losses)
                await self._put_back(task)
            else:
                await self._finish(task)

    async def _take(self) -> Task | None:
        async with self._changed:
            while self.waiting or self.running:
                alone = frozenset().union(*(task.alone_on for task in self.running))
                beside = frozenset().union(*(task.beside_on for task in self.running))
                for task in self.waiting:
                    if not task.alone_on & (alone | beside) and not task.beside_on & alone:
                        self.waiting.remove(task)
                        self.running.add(task)
                        return task
                await self._changed.wait()
            return None

    async def _put_back(self, task: Task) -> None:
        async with self._changed:
            self.running.discard(task)
            self.waiting.insert(0, task)
            self._changed.notify_all()

    async def _finish(self, task: Task) -> None:
        async with self._changed:
            self.running.discard(task)
            self.waiting[:0] = task.then()
            self._changed.notify_all()


def first_of(failures: BaseExceptionGroup) -> BaseException:
    """The first failure of the nested groups. A cancellation only if there is nothing else."""
    flat = list(_flat(failures))
    return next((one for one in flat if not isinstance(one, asyncio.CancelledError)), flat[0])


def _flat(failure: BaseException) -> Iterable[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        for one in failure.exceptions:
            yield from _flat(one)
    else:
        yield failure
