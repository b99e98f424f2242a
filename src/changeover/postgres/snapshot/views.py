"""Materialized views: filled on the target where they are filled on the source, or named with what kept them empty."""

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
"""Classes of SQLSTATE that say nothing about the view: no disk or memory, ended by an operator, I/O, internal errors."""

NOT_FILLED: Final = "55000"
"""It reads a view that is not filled. Through a function nobody could know, so it is tried again after the others."""


async def fill_views(
    target: Connection, ledger: Ledger, views: Sequence[View], telling: Telling, *, refresh: str
) -> None:
    """Each after those it reads. What is not filled stays empty and is named, as after a pg_restore.

    Raises TransferFailed or DiskFull where the target itself is in trouble, and psycopg's error when the session is lost.
    """
    populated = [view for view in views if view.is_populated]
    if refresh == "none" and populated:
        names = ", ".join(view.quoted for view in populated)
        telling.note(f"Not filled, as asked (--refresh none): {names}. REFRESH MATERIALIZED VIEW fills them.")
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
    """What it is refused for."""
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
