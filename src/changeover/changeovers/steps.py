"""The table of steps of every changeover. A method says what each of them does; the table says when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from changeover.changeovers.holds.registry import holds
from changeover.changeovers.methods.method import Method
from changeover.changeovers.stopping import stop, stopped
from changeover.errors import ChangeoverError
from changeover.platform.scope import Parts
from changeover.runs.run import Advance, Outcome, Run, Step, Undo, Wait, Workflow
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow

DAYS_S = 86400.0
NEAR_COMMITS = 200
LOOK_S, BOOT_S = 0.5, 0.1
KINDS = ("changeover", "migrate")
"""Kinds of runs, by the command that begins them."""
Verb = Callable[[Method, Run, ChangeoverRow], Awaitable[Outcome]]


class Changing:
    """The steps of a changeover, whatever its method and its hold."""

    def __init__(self, parts: Parts, methods: Mapping[str, Method]) -> None:
        self._methods, self._holds = methods, holds(parts)

    def workflows(self) -> tuple[Workflow, ...]:
        """The same steps for every kind."""
        steps = (
            Step("check", self._by(lambda method, *of: method.check(*of)), "Check both sides; change nothing",
                 undo=self._back(lambda method, *of: method.forget(*of)), deadline_s=900),
            Step("prepare", self._by(lambda method, *of: method.prepare(*of)), "Prepare the target; the source stays live",
                 undo=self._back(lambda method, *of: method.undo(*of)), deadline_s=7 * DAYS_S),
            Step("catch_up", self._by(self._catch_up), "Let the target catch up; the source stays live",
                 deadline_s=7 * DAYS_S),
            Step("cut_over", self._by(lambda method, *of: method.passage(*of)), "The pause: move to the target",
                 undo=self._back(lambda method, *of: method.let_go(*of)), deadline_s=30 * DAYS_S),
            Step("release", self._by(self._release), "Let writers and apps continue as before", deadline_s=DAYS_S),
            Step("finish", self._by(lambda method, *of: method.finish(*of)), "Report what was done and proven; tidy up",
                 deadline_s=DAYS_S),
        )  # fmt: skip
        return tuple(Workflow(kind, steps) for kind in KINDS)

    def _by(self, verb: Verb) -> Callable[[Run], Awaitable[Outcome]]:
        async def act(run: Run) -> Outcome:
            row = await _row(run)
            return stopped(row) if row.stopped is not None else await verb(self._methods[row.method], run, row)

        return act

    def _back(self, verb: Callable[[Method, Run, ChangeoverRow], Awaitable[None]]) -> Undo:
        async def undo(run: Run) -> None:
            row = await _row(run)
            await verb(self._methods[row.method], run, row)

        return undo

    async def _catch_up(self, method: Method, run: Run, row: ChangeoverRow) -> Outcome:
        behind = await method.behind(run, row)
        if behind is None or behind > NEAR_COMMITS:
            return Wait(LOOK_S, f"{'unknown' if behind is None else behind} commits behind")
        return Advance(f"{behind} commits behind" if behind else "")

    async def _release(self, _method: Method, run: Run, row: ChangeoverRow) -> Outcome:
        try:
            held = await self._holds[row.hold].release(run, row)
        except ChangeoverError as error:
            if row.source_url is None:  # one of our own is retried by its run: apps are held
                raise
            return await stop(run, error)
        if held.waits_for:
            return Wait(BOOT_S, held.waits_for, is_urgent=True)
        async with run.transaction() as db:
            await query.execute(db, "changeovers.released", run_id=run.id)
        return Advance()


async def _row(run: Run) -> ChangeoverRow:
    return await query.only(run.db, ChangeoverRow, "changeovers.find", run_id=run.id)
