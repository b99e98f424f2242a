"""A changeover that stops: it keeps what is done, and waits for a user to continue or abort it."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from changeover.errors import ChangeoverError, ServerUnreachable
from changeover.errors.elsewhere import ConnectionLost, HoldFailed, HookFailed, LoginRefused
from changeover.runs.run import Outcome, Run, Wait
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow

STOPPED_S, RETRY_S = 86400.0, 5.0
"""A user's word comes as a tick."""
OUT_OF_REACH = (ServerUnreachable, ConnectionLost, LoginRefused, HoldFailed, HookFailed)
"""Failures of what is not ours: a server that is dead or was taken away, a login, a command."""


async def stop(run: Run, error: ChangeoverError) -> Outcome:
    """Stop for this failure. One that may pass is tried again instead."""
    if error.retryable:
        return Wait(RETRY_S, f"{error.what} {error.why} Trying again.")
    async with run.transaction() as db:
        await query.execute(db, "changeovers.stop", run_id=run.id, stopped=Jsonb(error.as_dict()))
    await run.note("stopped", error.message)
    return Wait(STOPPED_S, f"stopped: {error.what}")


def stopped(row: ChangeoverRow) -> Wait:
    """The wait of one that has stopped."""
    return Wait(STOPPED_S, f"stopped: {(row.stopped or {}).get('what', '')}")
