"""Puts a run on its way, and asks one to stop. The tick that gets it driven is given by ticks.py after the commit."""

from __future__ import annotations

from typing import Any

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from changeover.errors import RunConflict
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import RunRow


async def start_run(
    db: Db, *, kind: str, first_step: str, subject: str, app: str | None, host: str, given: dict[str, Any]
) -> RunRow:
    """The new run's row, in the caller's transaction. Raises RunConflict while another run works on `subject`."""
    try:
        async with db.transaction():
            return await query.only(
                db, RunRow, "runs.add",
                kind=kind, subject=subject, app=app, host=host, input=Jsonb(given), step=first_step,
            )  # fmt: skip
    except UniqueViolation:
        other = await query.one(db, RunRow, "runs.unfinished_of", subject=subject)
        raise RunConflict(
            f"{subject} is busy.",
            why=f"A run works on it: {other.kind}, step {other.step} (run {other.id})."
            if other
            else "A run works on it.",
            fix="Wait for it (`changeover runs` shows how far it is), then repeat the command.",
        ) from None


async def cancel_run(db: Db, subject: str) -> RunRow | None:
    """Ask the unfinished run of `subject` to turn back; None when there is none."""
    return await query.one(db, RunRow, "runs.cancel", subject=subject)
