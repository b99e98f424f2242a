"""The pause: hold, fence, drain, point of no return, promote, canary, route, release. One step, one process, no tick inside.

The phases are events in memory, journalled in one batch afterwards. Two durable writes only: `armed`, before the first side
effect, and the point of no return. A successor looks at both and at the servers after a crash: without the second it
rolls back, with it it goes forward.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Iterable
from contextlib import AsyncExitStack
from typing import TypeVar

from psycopg import OperationalError
from psycopg.types.json import Jsonb

from changeover.changeovers.ends.databases import Sides, Way
from changeover.changeovers.phases import Timeline
from changeover.changeovers.sessions import counted_by_client
from changeover.engines.passage import EndOfSource, Fenced, Passage
from changeover.errors import ChangeoverError, NotQuiet
from changeover.postgres.canary import probe_as_app
from changeover.postgres.connect import Connection
from changeover.runs.run import Run
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow

QUIET_S = 0.04
"""No transaction may be older when the pause begins: each would be waited for."""
LITTLE_BEHIND_BYTES = 1024 * 1024
PAUSE_S, FENCE_S, DRAIN_S = 0.06, 2.0, 2.0
REHEARSAL_S = 0.5
LOOKS, LOOK_S = 20, 0.02
Result = TypeVar("Result")


class Attempt:
    """One attempt at the pause. `sides` are the servers and poolers, `row` the changeover as it was written down last."""

    def __init__(self, run: Run, row: ChangeoverRow, sides: Sides) -> None:
        self._run, self._row, self._sides = run, row, sides
        self._mark = f"{run.acting_as} attempt {row.attempts}"
        self.timeline = Timeline()

    async def make(self) -> Fenced:
        """The whole pause. Raises NotQuiet, and everything is as before; what else it raises before the point of no return, too.

        Past it, whatever is raised leaves the run to go forward again.
        """
        async with AsyncExitStack() as stack:
            passage = await stack.enter_async_context(self._sides.passage(self._run.acting_as))
            ways = await stack.enter_async_context(self._sides.ways(self._run.db))
            await passage.prepare(self._mark)
            canaries = [await stack.enter_async_context(way.canary(self._run.db)) for way in ways]
            await self._rehearse_drain(passage)
            await self._wait_for_quiet(passage)
            await self._write_armed()
            self.timeline = Timeline()
            self.timeline.mark("armed")
            try:
                fenced = await self._close_the_source(passage, ways)
            except (ChangeoverError, OperationalError, TimeoutError):
                await self._back(passage, ways)
                raise
            await self._open_the_target(passage, ways, canaries)
            return fenced

    async def _rehearse_drain(self, passage: Passage) -> None:
        """A follower that waits for a reader looks close, and would be waited for in vain in the pause."""
        if not await passage.arrived(await passage.end_of_source(secrets.token_hex(8)), timeout_s=REHEARSAL_S):
            raise NotQuiet("The target does not replay what it gets: it waits for a reader on it, or is too slow.")

    async def _wait_for_quiet(self, passage: Passage) -> None:
        readiness = await passage.readiness(quiet_s=QUIET_S)
        for _ in range(LOOKS):
            if not readiness.is_streaming:
                raise NotQuiet("The target receives nothing from the source just now.")
            is_near = readiness.behind_bytes <= LITTLE_BEHIND_BYTES
            if is_near and (not readiness.in_the_way or self._row.ends_sessions):
                return
            await asyncio.sleep(LOOK_S)
            readiness = await passage.readiness(quiet_s=QUIET_S)
        if readiness.in_the_way:
            raise NotQuiet(f"It waits for an open transaction: {readiness.in_the_way[0]}")
        raise NotQuiet(f"The target is {readiness.behind_bytes} bytes behind.")

    async def _write_armed(self) -> None:
        async with self._run.transaction() as db:
            await query.execute(db, "changeovers.arm", run_id=self._run.id, mark=self._mark)

    async def _close_the_source(self, passage: Passage, ways: list[Way]) -> Fenced:
        if not all(await _each(way.console.pause(timeout_s=PAUSE_S) for way in ways)):
            raise NotQuiet("A client of the pooler has a transaction open.")
        self.timeline.mark("held", poolers=len(ways))
        fenced = await passage.fence(self._mark, timeout_s=FENCE_S)
        self.timeline.mark(
            "fenced", refusal=fenced.refusal, ended=counted_by_client(fenced.ended), prepared=list(fenced.prepared)
        )
        end = await passage.end_of_source(secrets.token_hex(8))
        if not await passage.arrived(end, timeout_s=DRAIN_S):
            raise NotQuiet("The target did not get the last writes in time.")
        self.timeline.mark("drained", **vars(end))
        await self._pass(end)
        self.timeline.mark("point of no return")
        return fenced

    async def _pass(self, end: EndOfSource) -> None:
        async with self._run.transaction() as db:
            await self._run.pass_point_of_no_return()
            await query.execute(db, "changeovers.pass", run_id=self._run.id, end_of_source=Jsonb(vars(end)))

    async def _open_the_target(self, passage: Passage, ways: list[Way], canaries: list[Connection]) -> None:
        timeline = await passage.promote()
        self.timeline.mark("promoted", timeline=timeline)
        probes = [passage.canary(self._mark), *(probe_as_app(one, self._mark) for one in canaries)]
        await _each([*probes, *(way.lead_to_target() for way in ways)])
        self.timeline.mark("canary")
        self.timeline.mark("routed", poolers=len(ways))
        await _each(way.console.resume() for way in ways)
        self.timeline.mark("released")
        await passage.settle()

    async def _back(self, passage: Passage, ways: list[Way]) -> None:
        """Restore everything. The transaction proves first that no successor has taken over: otherwise nothing may be touched."""
        async with self._run.transaction() as db:
            await self._sides.lift_fence()
            await _each(way.console.resume() for way in ways)
            await query.execute(db, "changeovers.disarm", run_id=self._run.id)
        await passage.settle()


async def roll_back(run: Run, sides: Sides) -> None:
    """What a dead driver left before the point of no return: let the source serve again."""
    async with run.transaction() as db:
        await sides.lift_fence()
        await sides.let_poolers_go_on()
        await query.execute(db, "changeovers.disarm", run_id=run.id)


async def go_forward(run: Run, row: ChangeoverRow, sides: Sides) -> Timeline:
    """What a dead driver left past the point of no return: make the target the leader, and let everybody go there.

    Where the target is not promoted yet, nothing is taken on trust: the source is fenced and drained again, unless it is gone;
    then its fence must stand and the target must have what was written down as its end.
    """
    timeline, mark = Timeline(), f"{run.acting_as} forward"
    timeline.mark("taken over")
    if not await sides.target_is_leader():
        await sides.drain_again(run.acting_as, EndOfSource(**(row.end_of_source or {})), mark)
        timeline.mark("drained")
        await sides.promote(run.acting_as)
    timeline.mark("promoted")
    await sides.canary(mark)
    timeline.mark("canary")
    async with sides.ways(run.db, revives=True) as ways:
        for way in ways:
            await way.lead_to_target()
        timeline.mark("routed", poolers=len(ways))
        for way in ways:
            await way.console.resume()
    timeline.mark("released")
    return timeline


async def _each(deeds: Iterable[Awaitable[Result]]) -> list[Result]:
    """Side by side, and to the end of each, also where one fails: a pause that comes too late would stay."""
    done = await asyncio.gather(*deeds, return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
    return [result for result in done if not isinstance(result, BaseException)]
