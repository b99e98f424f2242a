"""Changeovers that the previous version began, in the terms of this one. See docs/adr/0029."""

from __future__ import annotations

from changeover.store import query
from changeover.store.query import Db


async def adopt_changeovers(db: Db) -> None:
    """Bring their rows up to date, in the caller's transaction. Repeatable: it changes nothing where nothing is left to adopt."""
    await query.execute(db, "changeovers.adopt")
    await query.execute(db, "changeovers.adopt_timelines")
    await query.execute(db, "changeovers.adopt_phases")
    await query.execute(db, "changeovers.adopt_steps")
