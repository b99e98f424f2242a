"""The verbs of the method `follower`. Its pause is one step in one process: cut_over.py."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from psycopg.types.json import Jsonb

from changeover.changeovers.acting import scope_of
from changeover.changeovers.ends.databases import Sides, both_databases, settle_target
from changeover.changeovers.holds.registry import holds
from changeover.changeovers.in_flight import finish_even_if_cancelled
from changeover.changeovers.methods.follower.cut_over import Attempt, go_forward, roll_back
from changeover.changeovers.methods.follower.report import final_report
from changeover.changeovers.methods.follower.switching import switch
from changeover.changeovers.phases import Timeline
from changeover.changeovers.timing import too_early
from changeover.errors import ChangeoverError, NotAvailable
from changeover.platform.addons import create_addon, destroy_addon
from changeover.platform.apps import find_app
from changeover.platform.scope import Parts
from changeover.platform.servers import server_of
from changeover.runs.run import Advance, Outcome, Run, Wait
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow
from changeover.store.rows import Addon, RunRow

LOOK_S, RETRY_S = 0.5, 0.25
PATIENCE = {"pooled": timedelta(minutes=10), "maintenance": timedelta(minutes=1)}
"""How long attempts at the pause are repeated before a user is asked. In maintenance, visitors see a page all that time."""


class Follower:
    """Everything is undone until the point of no return. Past it, the run only goes forward."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._holds = parts, holds(parts)

    async def check(self, _run: Run, row: ChangeoverRow) -> Outcome:
        """The checks were made when the changeover was planned."""
        return Advance(f"{row.source_name} to {row.plan or row.target_name}, hold: {row.hold}")

    # -- before the pause

    async def prepare(self, run: Run, row: ChangeoverRow) -> Outcome:
        if row.target_id is None:
            return await self._make_target(run, row)
        # In this order: when no run is under way, the add-on is as the last run left it.
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

    async def undo(self, run: Run, row: ChangeoverRow) -> None:
        """Destroy the target, if this changeover made it."""
        if row.plan is None or row.target_id is None:
            return
        async with run.transaction() as db:
            target = await query.one(db, Addon, "addons.find", key=str(row.target_id))
            scope = await scope_of(db, run, self._parts, is_finishing=True)
            if target is not None:
                await destroy_addon(scope, target, force=True)
        await self._parts.tick(scope.started)

    async def forget(self, _run: Run, _row: ChangeoverRow) -> None:
        """It knows no secrets of its own."""

    async def behind(self, run: Run, row: ChangeoverRow) -> int | None:
        source, target = await both_databases(run.db, row)
        servers = await server_of(run.db, target.server_name), await server_of(run.db, source.server_name)
        behind = await self._parts.engine.behind(*servers)
        return behind.commits if behind.is_streaming else None

    # -- the pause

    async def passage(self, run: Run, row: ChangeoverRow) -> Outcome:
        if row.switched_at is not None and row.timeline is not None:
            return Advance(f"{row.target_name} leads")  # the former worker was told to stop right after it
        if run.row.is_past_return:
            return await finish_even_if_cancelled(self._forward(run, row))
        if row.armed_mark is not None:
            await finish_even_if_cancelled(roll_back(run, await Sides.load(run.db, self._parts, row)))
        if early := too_early(row):
            return early
        held = await self._holds[row.hold].take(run, row)
        if held.waits_for:
            return Wait(RETRY_S, held.waits_for, is_urgent=True)
        return await self._attempt(run, await Sides.load(run.db, self._parts, row))

    async def _attempt(self, run: Run, sides: Sides) -> Outcome:
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
        """Try again in a moment; or, where that has no prospect, let the apps continue and ask a user."""
        # A clock that was set back makes it negative. Then the length of the hold is unknown, and the apps continue.
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
            await query.execute(db, "changeovers.keep_timeline", run_id=run.id, timeline=Jsonb(timeline.events))
        for event in timeline.events:
            await run.note(event["phase"], f"{event['at_s'] * 1000:.1f} ms")
        return Advance(f"{row.target_name} leads")

    async def let_go(self, run: Run, row: ChangeoverRow) -> None:
        if row.armed_mark is not None:
            await roll_back(run, await Sides.load(run.db, self._parts, row))
        await self._as_before(run, row)

    async def _as_before(self, run: Run, row: ChangeoverRow) -> None:
        """The target, which may be the user's own follower, and the apps."""
        await settle_target(run.db, self._parts, row)
        row = await query.only(run.db, ChangeoverRow, "changeovers.find", run_id=run.id)
        while (await self._holds[row.hold].let_go(run, row)).waits_for:  # noqa: ASYNC110 - another run's end sends no event
            await asyncio.sleep(RETRY_S)

    # -- after the pause

    async def finish(self, run: Run, row: ChangeoverRow) -> Outcome:
        sides = await Sides.load(run.db, self._parts, row)
        report = await final_report(self._parts, row, sides)
        await self._parts.engine.forget_follower(sides.source, sides.target)
        await settle_target(run.db, self._parts, row)
        async with run.transaction() as db:
            await query.execute(db, "changeovers.report", run_id=run.id, report=Jsonb(report))
        return Advance(f"pause {report['pause_s']:.3f} s")
