"""The hold by poolers: their clients wait inside the pause itself (cut_over.py), for milliseconds. No app is stopped."""

from __future__ import annotations

from changeover.changeovers.holds.hold import Held
from changeover.runs.run import Run
from changeover.store.changeover_rows import ChangeoverRow


class Pooled:
    """Nothing is held outside the pause: PgBouncer's PAUSE and RESUME are phases of it, for every hold with poolers."""

    async def take(self, _run: Run, _row: ChangeoverRow) -> Held:
        return Held()

    async def let_go(self, _run: Run, _row: ChangeoverRow) -> Held:
        return Held()

    async def release(self, _run: Run, _row: ChangeoverRow) -> Held:
        return Held()
