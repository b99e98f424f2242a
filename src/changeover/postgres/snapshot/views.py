"""Fills materialized views on the target that are filled on the source, or reports what kept them empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import sql

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.contents import View
from changeover.postgres.snapshot.ledger import Ledger
from changeover.postgres.snapshot.schema import failed_at
from changeover.postgres.snapshot.sessions import is_lost, one_line
from changeover.postgres.snapshot.telling import Telling

SERVERS_TROUBLE: Final = ("53", "57", "58", "XX")
"""Classes of SQLSTATE that are not about the view: no disk space or memory, cancelled by an operator, I/O, internal errors."""

NOT_FILLED: Final = "55000"
"""It reads a view that is not filled. A function can hide this dependency, so it is tried again after the others."""


async def fill_views(
    target: Connection, ledger: Ledger, views: Sequence[View], telling: Telling, *, refresh: str
) -> None:
    """Each after the views it reads. A view that can't be filled stays empty and is reported, as with pg_restore.

    Raises TransferFailed or DiskFull for a problem of the target itself, and psycopg's error when the session is lost.
    """
    populated = [view for view in views if view.is_populated]
    if refresh == "none" and populated:
        names = ", ".join(view.quoted for view in populated)
        telling.note(f"Not filled because of --refresh none: {names}. REFRESH MATERIALIZED VIEW fills them.")
        return
    todo = [view for view in populated if not ledger.has("view", view.quoted)]
    while todo:
        refused = [(view, why) for view in todo if (why := await _try_to_fill(target, ledger, view, telling))]
        waiting = [view for view, why in refused if why.sqlstate == NOT_FILLED]
        is_over = len(refused) == len(todo)
        for view, why in refused:
            if is_over or why.sqlstate != NOT_FILLED:
                telling.note(
                    f"Materialized view {view.quoted} could not be filled and is empty: {one_line(why)}."
                    f" Once that is fixed: REFRESH MATERIALIZED VIEW {view.quoted}"
                )
        todo = [] if is_over else waiting


async def _try_to_fill(target: Connection, ledger: Ledger, view: View, telling: Telling) -> psycopg.Error | None:
    """The server's error, if any."""
    telling.says = view.quoted
    try:
        await _fill(target, ledger, view)
    except psycopg.Error as refused:
        if is_lost(refused):
            raise
        if (refused.sqlstate or "").startswith(SERVERS_TROUBLE):
            raise failed_at(f"Materialized view {view.quoted}", refused) from refused
        return refused
    ledger.confirm("view", view.quoted)
    telling.things_done += 1
    return None


async def _fill(target: Connection, ledger: Ledger, view: View) -> None:
    async with target.transaction():
        await target.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.Identifier(view.schema, view.name)))
        await ledger.note(target, "view", view.quoted)
