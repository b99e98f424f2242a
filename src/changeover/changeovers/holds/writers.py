"""Holding the writers of a source that is known by its address. The ways differ in how; here is what they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from changeover.changeovers.checks.finding import Finding
from changeover.changeovers.ends.addresses import Ends
from changeover.changeovers.holds.hold import Held
from changeover.changeovers.holds.hooks import Hooks, run_hook
from changeover.platform.scope import Parts, Scope
from changeover.runs.run import Run
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow
from changeover.store.rows import Addon, Attachment

Changed = dict[str, Any]
"""What a hold changed, as our state keeps it: what has to be put back."""


class HoldOfWriters:
    """The writers are not held: they continue, and the copy is the source at one moment. Other holds build on this one."""

    says = "continue. What they write after the copy has begun is NOT moved"

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def plan(self, _scope: Scope, _source: Addon, _attachments: Sequence[Attachment]) -> list[Finding]:
        return []

    async def before(self, _ends: Ends, _hooks: Hooks) -> Changed:
        """What must be remembered before anything is changed."""
        return {}

    async def take_from(self, _ends: Ends, _hooks: Hooks, changed: Changed) -> tuple[Held, Changed]:
        return Held(), changed

    async def put_back(self, _ends: Ends, _hooks: Hooks, _changed: Changed) -> Held:
        return Held()

    async def pass_on(self, _ends: Ends, _hooks: Hooks, _changed: Changed) -> None:
        return None

    async def take(self, run: Run, row: ChangeoverRow) -> Held:
        ends, hooks = self._context(row)
        if row.held is None:
            row = await _remember(run, await self.before(ends, hooks))
        held, changed = await self.take_from(ends, hooks, row.held or {})
        if changed != row.held:
            await _remember(run, changed)
        return held

    async def let_go(self, _run: Run, row: ChangeoverRow) -> Held:
        if row.held is None:
            return Held()
        ends, hooks = self._context(row)
        held = await self.put_back(ends, hooks, row.held)
        await run_hook("release", hooks.on_release, ends, outcome="aborted")
        return held

    async def release(self, _run: Run, row: ChangeoverRow) -> Held:
        ends, hooks = self._context(row)
        await self.pass_on(ends, hooks, row.held or {})
        await run_hook("release", hooks.on_release, ends, outcome="done")
        return Held()

    def _context(self, row: ChangeoverRow) -> tuple[Ends, Hooks]:
        return Ends.load(self._parts, row), Hooks.of(row, self._parts.cipher)


async def _remember(run: Run, changed: Changed) -> ChangeoverRow:
    async with run.transaction() as db:
        return await query.only(db, ChangeoverRow, "changeovers.hold", run_id=run.id, held=Jsonb(changed))
