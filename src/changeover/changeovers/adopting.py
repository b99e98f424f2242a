"""Changeovers that the previous version began, in the terms of this one. See docs/adr/0029.

Their rows are converted by the view that the previous version writes to: store/migrations/0017.
"""

from __future__ import annotations

from changeover.store import query
from changeover.store.query import Db


async def adopt_changeovers(db: Db) -> None:
    """Bring phases and steps up to date, in the caller's transaction. Repeatable."""
    await query.execute(db, "changeovers.adopt_timelines")
    await query.execute(db, "changeovers.adopt_phases")
    await query.execute(db, "changeovers.adopt_steps")
