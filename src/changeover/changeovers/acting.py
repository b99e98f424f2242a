"""Acting in a run on behalf of the user who began it."""

from __future__ import annotations

from changeover.platform.accounts import find_account
from changeover.platform.scope import Parts, Scope
from changeover.runs.run import Run
from changeover.store.query import Db


async def scope_of(db: Db, run: Run, parts: Parts, *, is_finishing: bool = False) -> Scope:
    """The scope of that user. `is_finishing` allows what must be done even when the user may no longer do it."""
    caller = await find_account(db, str(run.account_id))
    return Scope(db=db, caller=caller, parts=parts, is_finishing=is_finishing)
