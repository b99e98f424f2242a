"""The hold by maintenance mode: pages instead of apps, dynos down, scheduled jobs held; and everything back as it was.

Each change is written down before it is made. After a crash, a successor knows what to bring back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from changeover.changeovers.acting import scope_of
from changeover.changeovers.checks.finding import Finding
from changeover.changeovers.holds.hold import Held
from changeover.platform.apps import change_app
from changeover.platform.attachments import attachments_to
from changeover.platform.formation import Change, formation_of, scale
from changeover.platform.maintenance import fetch_pages, show
from changeover.platform.scheduling import hold_jobs, resume_jobs
from changeover.platform.scope import Parts, Scope
from changeover.runs.run import Run
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow
from changeover.store.query import Db
from changeover.store.rows import Addon, App, Attachment

STAYS_IN_A_SPACE = "web"
"""There the maintenance page lives beside web (heroku-facts 5.7)."""


async def apps_of(db: Db, row: ChangeoverRow) -> list[App]:
    """Every app with an attachment of the source."""
    ids = sorted({one.app_id for one in await attachments_to(db, row.our_source_id)})
    return [await query.only(db, App, "apps.find", key=str(app_id)) for app_id in ids]


async def levels_to_hold(scope: Scope, app: App) -> dict[str, int]:
    """How many dynos of each type a hold brings to zero, and back; none of those that stay."""
    return {
        one.row.type: one.row.quantity
        for one in await formation_of(scope, app)
        if one.row.quantity and not (app.space_id and one.row.type == STAYS_IN_A_SPACE)
    }


class Maintenance:
    """A changeover that is given up and one that succeeds leave the apps alike: running, with their former levels."""

    says = "maintenance page on, dynos down, then everything back to its level"

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def plan(self, _scope: Scope, _source: Addon, _attachments: Sequence[Attachment]) -> list[Finding]:
        return []

    async def take(self, run: Run, row: ChangeoverRow) -> Held:
        row = await _begin(run, self._parts, row)
        return Held() if await _are_settled(run.db, row) else Held("dynos end")

    async def let_go(self, run: Run, row: ChangeoverRow) -> Held:
        return await _end(run, self._parts, row)

    async def release(self, run: Run, row: ChangeoverRow) -> Held:
        return await _end(run, self._parts, row)


async def _begin(run: Run, parts: Parts, row: ChangeoverRow) -> ChangeoverRow:
    """Maintenance on and dynos on their way down, for every app. Repeatable; the row as it is then."""
    apps = await apps_of(run.db, row)
    if row.held is None:
        async with run.transaction() as db:
            scope = await scope_of(db, run, parts)
            held = {str(app.id): await _hold(scope, app) for app in apps}
            row = await query.only(db, ChangeoverRow, "changeovers.hold", run_id=run.id, held=Jsonb(held))
            for app in apps:
                await change_app(scope, app, is_in_maintenance=True)
                await _scale(scope, app, dict.fromkeys(held[str(app.id)]["levels"], 0))
        await parts.tick(scope.started)
    scope = await scope_of(run.db, run, parts)
    for app in await apps_of(run.db, row):
        if app.is_in_maintenance and not parts.router.is_in_maintenance(str(app.id)):
            show(parts, app, await fetch_pages(scope, app))
    return row


async def _end(run: Run, parts: Parts, row: ChangeoverRow) -> Held:
    """Everything as it was before."""
    if row.held is not None:
        await _bring_dynos_back(run, parts, row)
        if not await _are_settled(run.db, row):
            return Held("dynos boot")
        await _end_maintenance(run, parts, row)
    return Held()


async def _bring_dynos_back(run: Run, parts: Parts, row: ChangeoverRow) -> None:
    """Every type that the hold brought to zero, and that is still there, back to its level."""
    async with run.transaction() as db:
        scope = await scope_of(db, run, parts, is_finishing=True)
        for app_id, held in (row.held or {}).items():
            app = await query.one(db, App, "apps.find", key=app_id)
            if app is not None:
                now = {one.row.type: one.row.quantity for one in await formation_of(scope, app)}
                await _scale(scope, app, {type_: n for type_, n in held["levels"].items() if now.get(type_) == 0})
    await parts.tick(scope.started)


async def _end_maintenance(run: Run, parts: Parts, row: ChangeoverRow) -> None:
    """Off again where it was off before, once the dynos are there."""
    ended: list[App] = []
    async with run.transaction() as db:
        scope = await scope_of(db, run, parts, is_finishing=True)
        for app_id, held in (row.held or {}).items():
            app = await query.one(db, App, "apps.find", key=app_id)
            if app is None:
                continue
            if held["jobs"]:
                await resume_jobs(scope, app, "maintenance")
            if not held["was_in_maintenance"]:
                ended.append(await change_app(scope, app, is_in_maintenance=False))
        await query.execute(db, "changeovers.let_go", run_id=run.id)
    for app in ended:
        show(parts, app)


async def _are_settled(db: Db, row: ChangeoverRow) -> bool:
    """No run changes the dynos of the held apps any more."""
    return await query.values(db, "formation.runs_under_way", apps=list(row.held or {})) == []


async def _hold(scope: Scope, app: App) -> dict[str, Any]:
    """Holds its scheduled jobs; what will have to be brought back."""
    levels = await levels_to_hold(scope, app)
    is_holder = await hold_jobs(scope, app, "maintenance")
    return {"app": app.name, "levels": levels, "was_in_maintenance": app.is_in_maintenance, "jobs": is_holder}


async def _scale(scope: Scope, app: App, levels: dict[str, int]) -> None:
    await scale(scope, app, [Change(type_, str(quantity)) for type_, quantity in levels.items()])
