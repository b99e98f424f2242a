"""What becomes of sources that were left behind: destroyed when the days that they were kept for are over."""

from __future__ import annotations

import logging
from typing import Any

from psycopg_pool import AsyncConnectionPool

from changeover.errors import ChangeoverError
from changeover.platform.accounts import find_account
from changeover.platform.addons import destroy_addon
from changeover.platform.scope import Parts, Scope
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow
from changeover.store.rows import Addon, RunRow

log = logging.getLogger(__name__)


async def destroy_old_sources(parts: Parts, pool: AsyncConnectionPool[Any]) -> None:
    """One round. A source that is still in use (it has a follower) stays, and the log says why."""
    async with pool.connection() as db:
        due = await query.rows(db, ChangeoverRow, "changeovers.sources_to_destroy")
    for row in due:
        try:
            await _destroy(parts, pool, row)
        except ChangeoverError as error:
            log.warning("the source of changeover %s is not destroyed: %s", row.run_id, error.message)


async def _destroy(parts: Parts, pool: AsyncConnectionPool[Any], row: ChangeoverRow) -> None:
    async with pool.connection() as db:
        run = await query.only(db, RunRow, "runs.find", id=row.run_id)
        caller = await find_account(db, run.input["account_id"])
        scope = Scope(db=db, caller=caller, parts=parts, is_finishing=True)
        source = await query.only(db, Addon, "addons.find", key=str(row.source_id))
        await destroy_addon(scope, source)
    await scope.finish()
    log.info("destroying %s, the source of changeover %s", row.source_name, row.run_id)
