"""The table of steps of a changeover. The pause itself is one of them: cut_over.py."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from psycopg.types.json import Jsonb

from changeover.changeovers.cut_over import Attempt, Timeline, go_forward, roll_back
from changeover.changeovers.ends.databases import Sides, both_databases, settle_target
from changeover.changeovers.holds.maintenance import are_settled, begin_hold, end_hold, scope_of
from changeover.changeovers.in_flight import finish_even_if_cancelled
from changeover.changeovers.report import final_report
from changeover.changeovers.switching import switch
from changeover.errors import ChangeoverError, NotAvailable
from changeover.platform.addons import create_addon, destroy_addon
from changeover.platform.apps import find_app
from changeover.platform.scope import Parts
from changeover.platform.servers import server_of
from changeover.runs.run import Advance, Outcome, Run, Step, Wait, Workflow
from changeover.store import query
from changeover.store.rows import Addon, ChangeoverRow, RunRow

DAYS_S = 86400.0
NEAR_COMMITS = 200
LOOK_S, RETRY_S = 0.5, 0.25
PATIENCE = {"pooled": timedelta(minutes=10), "maintenance": timedelta(minutes=1)}
"""How long the pause is tried again and again before a person is asked; in maintenance people see a page meanwhile."""


class Changing:
    """The steps of `changeover`. All is undone until the point of no return; past it, the run only goes forward."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def workflow(self) -> Workflow:
        return Workflow(
            "changeover",
            (
                Step("look", self.look, "Look at both sides; change nothing", deadline_s=60),
                Step("provision", self.provision, "Make the target, a follower of the source", undo=self.take_away,
                     deadline_s=7 * DAYS_S),
                Step("catch_up", self.catch_up, "Let it catch up; the source stays live", deadline_s=7 * DAYS_S),
                Step("cut_over", self.cut_over, "Hold, fence, drain, promote, route: the pause", undo=self.let_go,
                     deadline_s=30 * DAYS_S),
                Step("restore", self.restore, "Bring the apps back to their former levels", deadline_s=900),
                Step("report", self.report, "Say what was done and what was proven", deadline_s=120),
            ),
        )  # fmt: skip

    # -- before the pause

    async def look(self, run: Run) -> Outcome:
        row = await _row(run)
        return Advance(f"{row.source_name} to {row.plan or row.target_name}, hold: {row.hold}")

    async def provision(self, run: Run) -> Outcome:
        row = await _row(run)
        if row.target_id is None:
            return await self._make_target(run, row)
        # In this order: who finds no run under way finds what the last one left.
        making = await query.one(run.db, RunRow, "runs.unfinished_of", subject=row.target_name)
        target = await query.one(run.db, Addon, "addons.find", key=str(row.target_id))
        if target is not None and target.state == "provisioned":
            return Advance(f"{target.name} follows")
        if making is not None:
            return Wait(LOOK_S, making.waits_because or f"{row.target_name} is made", making.percent)
        latest = await query.one(run.db, RunRow, "runs.latest_of_addon", addon_id=str(row.target_id))
        why = (latest.error or {}).get("message", "") if latest else ""
        raise NotAvailable(f"The target {row.target_name} could not be made.", why=why)

    async def _make_target(self, run: Run, row: ChangeoverRow) -> Outcome:
        async with run.transaction() as db:
            scope = await scope_of(db, run, self._parts)
            app = await find_app(scope, str(row.target_app_id))
            target = await create_addon(scope, app, plan_name=row.plan or "", config={"follow": row.source_name})
            await query.execute(
                db, "changeovers.set_target", run_id=run.id, target_id=target.id, target_name=target.name
            )
        await self._parts.tick(scope.started)
        return Wait(LOOK_S, f"{target.name} is made")

    async def take_away(self, run: Run) -> None:
        """Only what this changeover made."""
        row = await _row(run)
        if row.plan is None or row.target_id is None:
            return
        async with run.transaction() as db:
            target = await query.one(db, Addon, "addons.find", key=str(row.target_id))
            scope = await scope_of(db, run, self._parts, is_finishing=True)
            if target is not None:
                await destroy_addon(scope, target, force=True)
        await self._parts.tick(scope.started)

    async def catch_up(self, run: Run) -> Outcome:
        behind = await self._behind(run, await _row(run))
        if behind is None or behind > NEAR_COMMITS:
            return Wait(LOOK_S, f"{'unknown' if behind is None else behind} commits behind")
        return Advance(f"{behind} commits behind")

    async def _behind(self, run: Run, row: ChangeoverRow) -> int | None:
        source, target = await both_databases(run.db, row)
        servers = await server_of(run.db, target.server_name), await server_of(run.db, source.server_name)
        behind = await self._parts.engine.behind(*servers)
        return behind.commits if behind.is_streaming else None

    # -- the pause

    async def cut_over(self, run: Run) -> Outcome:
        row = await _row(run)
        if row.switched_at is not None and row.report is not None:
            return Advance(f"{row.target_name} leads")  # whoever was here was told to stop right after it
        if run.row.is_past_return:
            return await finish_even_if_cancelled(self._forward(run, row))
        if row.armed_mark is not None:
            await finish_even_if_cancelled(roll_back(run, await Sides.load(run.db, self._parts, row)))
        if row.go_at is None or row.go_at > datetime.now(UTC):
            return Wait(_seconds_until(row.go_at), _waits_for(row))
        if row.hold == "maintenance":
            row = await begin_hold(run, self._parts, row)
            if not await are_settled(run.db, row):
                return Wait(RETRY_S, "dynos end", is_urgent=True)
        return await self._attempt(run, row, await Sides.load(run.db, self._parts, row))

    async def _attempt(self, run: Run, row: ChangeoverRow, sides: Sides) -> Outcome:
        async with run.transaction() as db:
            row = await query.only(db, ChangeoverRow, "changeovers.attempt", run_id=run.id)
        try:
            return await finish_even_if_cancelled(self._pause(run, row, sides))
        except ChangeoverError as error:
            if run.row.is_past_return:
                return Wait(0.0, error.what, is_urgent=True)  # then it goes forward, by new connections
            return await self._not_yet(run, row, error)

    async def _pause(self, run: Run, row: ChangeoverRow, sides: Sides) -> Outcome:
        attempt = Attempt(run, row, sides)
        fenced = await attempt.make()
        has_direct = any(one.address is not None for one in fenced.ended)
        return await self._over(run, row, attempt.timeline, has_direct=has_direct)

    async def _forward(self, run: Run, row: ChangeoverRow) -> Outcome:
        timeline = await go_forward(run, row, await Sides.load(run.db, self._parts, row))
        return await self._over(run, row, timeline, has_direct=True)

    async def _not_yet(self, run: Run, row: ChangeoverRow, error: ChangeoverError) -> Outcome:
        """Try again in a moment; or, where that has no prospect, let the apps go on and ask a person."""
        # A clock that was set back makes it negative: then nobody knows how long apps were held, and they go on.
        waited = abs(datetime.now(UTC) - (row.first_attempt_at or datetime.now(UTC)))
        if error.retryable and waited < PATIENCE[row.hold]:
            return Wait(RETRY_S, error.what, is_urgent=True)
        await self._as_before(run, row)
        async with run.transaction() as db:
            await query.execute(db, "changeovers.withdraw", run_id=run.id, remark=error.message)
        await run.note("not yet", error.message)
        return Wait(LOOK_S, error.what)

    async def _over(self, run: Run, row: ChangeoverRow, timeline: Timeline, *, has_direct: bool) -> Outcome:
        await switch(run, self._parts, row, restarts=row.hold == "maintenance" or has_direct)
        async with run.transaction() as db:
            await query.execute(
                db, "changeovers.set_report", run_id=run.id, report=Jsonb({"timeline": timeline.events})
            )
        for event in timeline.events:
            await run.note(event["phase"], f"{event['at_s'] * 1000:.1f} ms")
        return Advance(f"{row.target_name} leads")

    async def let_go(self, run: Run) -> None:
        """Undo: whatever an attempt left, and the hold."""
        row = await _row(run)
        if row.armed_mark is not None:
            await roll_back(run, await Sides.load(run.db, self._parts, row))
        await self._as_before(run, row)

    async def _as_before(self, run: Run, row: ChangeoverRow) -> None:
        """The target, which may be somebody's own follower, and the apps."""
        await settle_target(run.db, self._parts, row)
        while not await end_hold(run, self._parts, row):  # noqa: ASYNC110 - another run's end sends no event
            await asyncio.sleep(RETRY_S)

    # -- after the pause

    async def restore(self, run: Run) -> Outcome:
        row = await _row(run)
        if not await end_hold(run, self._parts, row):
            return Wait(0.1, "dynos boot", is_urgent=True)
        async with run.transaction() as db:
            await query.execute(db, "changeovers.released", run_id=run.id)
        return Advance()

    async def report(self, run: Run) -> Outcome:
        row = await _row(run)
        sides = await Sides.load(run.db, self._parts, row)
        report = await final_report(self._parts, row, sides)
        await self._parts.engine.forget_follower(sides.source, sides.target)
        await settle_target(run.db, self._parts, row)
        async with run.transaction() as db:
            await query.execute(db, "changeovers.set_report", run_id=run.id, report=Jsonb(report))
        return Advance(f"pause {report['pause_s']:.3f} s")


async def _row(run: Run) -> ChangeoverRow:
    return await query.only(run.db, ChangeoverRow, "changeovers.find", run_id=run.id)


def _seconds_until(go_at: datetime | None) -> float:
    """A word of a person comes as a tick, so that nothing has to look for it."""
    return DAYS_S if go_at is None else max((go_at - datetime.now(UTC)).total_seconds(), 0.0)


def _waits_for(row: ChangeoverRow) -> str:
    if row.go_at is not None:
        return f"ready; the pause begins at {row.go_at:%Y-%m-%d %H:%M:%S} UTC"
    because = f"; the last attempt: {row.remark.splitlines()[0]}" if row.remark else ""
    return f"ready; `changeover changeovers:cut-over {row.run_id}` begins the pause{because}"
