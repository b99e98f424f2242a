"""Starts wanted dynos and ends the others, in the right order. Every part can be repeated after a crash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from changeover.runtime.dynos.alone import alone
from changeover.runtime.dynos.ending import Ending
from changeover.runtime.dynos.listening import listens
from changeover.runtime.dynos.places import parts_of
from changeover.runtime.dynos.plan import Plan
from changeover.runtime.dynos.programs import program_file, sheet_of
from changeover.runtime.dynos.remains import noted
from changeover.runtime.dynos.rpc import ALREADY_ADDED
from changeover.runtime.dynos.writing import write_whole
from changeover.runtime.runtime import Applied, Dyno

LOOK_AGAIN_S = 0.03
LOADING_S = 30.0
ATTEMPTS = 3
WhenReady = Callable[[Dyno], Awaitable[None]]


@dataclass
class Changing:
    """`dynos` are the wanted ones, by key. `keeps_former`: no serving dyno ends until all successors listen."""

    ending: Ending
    dynos: Mapping[str, Dyno]
    when_ready: WhenReady | None
    ready_timeout_s: float
    keeps_former: bool = False
    not_ready: list[str] = field(default_factory=list)
    _started: set[str] = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def carry_out(self, plan: Plan) -> Applied:
        """Raises RuntimeFailed if it could only do a part. Calling it again does the rest."""
        is_revocable = self.keeps_former and bool(plan.overlapping or plan.gone)
        if is_revocable and not await self._all_come_up(plan):
            return Applied(kept=_names(plan.kept), not_ready=tuple(sorted(self.not_ready)), is_undone=True)
        await side_by_side(
            self._overlap(plan),
            *(self._exchange(new, old) for new, old in plan.exchanged),
            *(self._add(key) for key in plan.added),
            *(self.ending.end(key) for key in plan.gone),
        )
        successors = tuple(new for new, _ in plan.overlapping if new not in plan.kept)
        started = (*successors, *(new for new, _ in plan.exchanged), *plan.added)
        stopped = (*(old for _, old in plan.overlapping), *(old for _, old in plan.exchanged), *plan.gone)
        return Applied(_names(plan.kept), _names(started), _names(stopped), tuple(sorted(self.not_ready)))

    async def _all_come_up(self, plan: Plan) -> bool:
        """Start successors and additional dynos one after another. If one does not come up, end them again."""
        fresh = [*(new for new, _ in plan.overlapping), *plan.added]
        for key in fresh:
            if key not in plan.kept:
                await self._start(key)
            if not await self._is_up(key):
                self.not_ready.append(self.dynos[key].name)
                await side_by_side(*(self.ending.end(one) for one in fresh))
                return False
        return True

    async def _overlap(self, plan: Plan) -> None:
        """One after another: the successor listens, then its predecessor is told to end. Doesn't wait for its end."""
        ends: list[asyncio.Task[None]] = []
        try:
            for new, old in plan.overlapping:
                await self._add(new, is_started=new in plan.kept)
                ends.append(asyncio.create_task(self.ending.end(old)))
        finally:
            await side_by_side(*ends)

    async def _exchange(self, new: str, old: str) -> None:
        await self.ending.end(old)
        await self._add(new)

    async def _add(self, key: str, *, is_started: bool = False) -> None:
        """Start it unless that was already done. Waits for a dyno with a port."""
        if not is_started and key not in self._started:
            await self._start(key)
        dyno = self.dynos[key]
        if not await self._is_up(key):
            self.not_ready.append(dyno.name)
        elif dyno.port is not None and self.when_ready:
            await self.when_ready(dyno)

    async def _is_up(self, key: str) -> bool:
        port = self.dynos[key].port
        return port is None or await self._comes_up(key, port)

    async def _start(self, key: str) -> None:
        """Writes the program file last, because supervisord may read it at any time."""
        places, dyno = self.ending.places, self.dynos[key]
        more = {"stop_s": round(self.ending.stop_s), "boot_s": self.ready_timeout_s, "written_ns": time.time_ns()}
        places.make_written(key)
        write_whole(places.sheet(key), sheet_of(dyno, key, places, **more))
        places.make_pipe(key)
        write_whole(places.program(key), program_file(key, places, stop_s=self.ending.stop_s))
        async with self._turn, alone(places.lock("configuration"), timeout_s=LOADING_S):
            await self.ending.supervisor.call("reloadConfig")
            await self.ending.supervisor.call_unless({ALREADY_ADDED}, "addProcessGroup", key)
        self._started.add(key)

    async def _comes_up(self, key: str, port: int) -> bool:
        """False when it crashes repeatedly or its time is up. supervisord keeps trying.

        If a predecessor keeps serving, it gets more than one attempt: a database may be back in a second.
        """
        attempts = ATTEMPTS if self.keeps_former else 1
        deadline, lives = time.monotonic() + self.ready_timeout_s, set[int]()
        while time.monotonic() < deadline:
            info = await self.ending.info(key)
            if info is None or info["statename"] == "FATAL":
                return False
            lives.add(info["start"])
            is_down = info["statename"] in ("BACKOFF", "EXITED")
            if len(lives - {0}) > attempts or (is_down and len(lives - {0}) == attempts):
                return False
            process = noted(self.ending.places.started(key))
            if info["pid"] and process and listens(process.pid, port):
                return True
            await asyncio.sleep(LOOK_AGAIN_S)
        return False


async def side_by_side(*acts: Awaitable[None]) -> None:
    """Run all of them to their end, then raise the first failure, if any."""
    for result in await asyncio.gather(*acts, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _names(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(parts_of(key)[1] for key in keys)
