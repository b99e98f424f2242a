"""Starts and cancels runs. ticks.py sends the tick after the commit."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from changeover.errors import RunConflict
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import Addon, App, RunRow


async def start_run(
    db: Db,
    *,
    kind: str,
    first_step: str,
    subject: str,
    app: App | Addon | None,
    account_id: UUID,
    host: str,
    given: dict[str, Any],
) -> RunRow:
    """The row of the new run, in the caller's transaction. Raises RunConflict while another run works on `subject`.

    `app` is the run's app, or an add-on of that app. `account_id` is the account that started it, or the app's owner.
    """
    app_id, app_name = _owner(app)
    try:
        async with db.transaction():
            return await query.only(
                db, RunRow, "runs.add",
                kind=kind, subject=subject, app=app_name, app_id=app_id, account_id=account_id, host=host,
                input=Jsonb(given), step=first_step,
            )  # fmt: skip
    except UniqueViolation:
        other = await query.one(db, RunRow, "runs.unfinished_of", subject=subject)
        raise RunConflict(
            f"{subject} is busy.",
            why=f"Another run is using it: {other.kind}, step {other.step} (run {other.id})."
            if other
            else "Another run is using it.",
            fix="Wait for it (`changeover runs` shows its progress), then repeat the command.",
        ) from None


def _owner(app: App | Addon | None) -> tuple[UUID | None, str | None]:
    if isinstance(app, Addon):
        return app.app_id, app.app_name
    return (app.id, app.name) if app is not None else (None, None)


async def cancel_run(db: Db, run_id: int) -> RunRow | None:
    """Ask a run to turn back. None if it has ended or is past the point of no return."""
    return await query.one(db, RunRow, "runs.cancel", id=run_id)
