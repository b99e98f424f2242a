"""Fills the materialized views, in rounds: what a view reads through a function is seen only when it is refreshed."""

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

NOT_FILLED: Final = "55000"
"""It reads a materialized view that is not filled."""


async def refresh(target: Connection, ledger: Ledger, views: Sequence[View], telling: Telling) -> None:
    """Fill those that are filled on the source, each after those it reads. Raises TransferFailed.

    One that reads an unfilled view through a function waits for the next round; one for which there is none is named.
    """
    todo = [view for view in views if view.is_populated and not ledger.has("view", view.quoted)]
    while todo:
        refused: dict[View, psycopg.Error] = {}
        for view in todo:
            telling.says = view.quoted
            try:
                await _refresh(target, ledger, view)
            except psycopg.Error as failure:
                if is_lost(failure):
                    raise
                if failure.sqlstate != NOT_FILLED:
                    raise failed_at(f"Materialized view {view.quoted}", failure) from failure
                refused[view] = failure
                continue
            telling.things_done += 1
        if len(refused) == len(todo):
            for view, reason in refused.items():
                telling.note(f"Materialized view {view.quoted} is not filled: {one_line(reason)}")
            return
        todo = list(refused)


async def _refresh(target: Connection, ledger: Ledger, view: View) -> None:
    async with target.transaction():
        await target.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.Identifier(view.schema, view.name)))
        await ledger.note(target, "view", view.quoted)
    ledger.confirm("view", view.quoted)
