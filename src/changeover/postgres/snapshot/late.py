"""Creates objects that may read other tables (see `elsewhere`) once all rows exist, and retries after views are filled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import sql

from changeover.errors import ChangeoverError
from changeover.errors.elsewhere import TransferFailed
from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.archive import ABOUT, Entry, depending
from changeover.postgres.snapshot.contents import Contents
from changeover.postgres.snapshot.elsewhere import Check, Elsewhere, Generated
from changeover.postgres.snapshot.ledger import Ledger
from changeover.postgres.snapshot.schema import failed_at, make, naming
from changeover.postgres.snapshot.sessions import is_lost, one_line
from changeover.postgres.snapshot.telling import Telling
from changeover.postgres.snapshot.views import NOT_FILLED

BUILT: Final = {"INDEX", "CONSTRAINT", "CHECK CONSTRAINT"}
VIOLATED: Final = "23"
"""The class of errors for rows that violate a constraint, where waiting does not help."""


class Late:
    """The late objects of one archive, and their state."""

    def __init__(self, elsewhere: Elsewhere, entries: Sequence[Entry], contents: Contents, ledger: Ledger,
                 telling: Telling) -> None:  # fmt: skip
        self.elsewhere, self.ledger, self.telling = elsewhere, ledger, telling
        self._entries = entries
        self._checks = {(2606, check.oid) for check in elsewhere.checks}
        self.builds = [entry for entry in entries if self._is_late(entry, contents)]
        self.numbers = {entry.number for entry in self.builds}
        self.waiting: list[Entry] = []
        """Objects that depend on a build that is only created at the end, in an order in which they can be created."""

    def _is_late(self, entry: Entry, contents: Contents) -> bool:
        if entry.kind not in BUILT:
            return False
        belonging = contents.belongs.get(entry.catalog)
        if belonging is None or belonging.is_of_view:
            return False
        is_filled_late = belonging.table in self.elsewhere.tables
        return is_filled_late or entry.catalog in self.elsewhere.indexes or entry.catalog in self._checks

    async def make(self, target: Connection, raw: Connection, *, is_last: bool) -> None:
        """Create missing checks and builds. `raw` takes the dump's bytes. Unless `is_last`, what fails is tried again later.

        Raises TransferFailed for rows that violate a constraint, and with `is_last` for any error.
        """
        for check in reversed(self.elsewhere.checks):  # children first, so that the parent's check merges with theirs
            if self.ledger.has("late check", check.key) and not self.ledger.has("check", check.key):
                await self._one(target, "check", check.key, _added(check), check, is_last=is_last)
        for entry in self.builds:
            if not self.ledger.has("late", entry.key):
                await self._one(raw, "late", entry.key, entry.text, entry, is_last=is_last)
        missing = {entry.number for entry in self.builds if not self.ledger.has("late", entry.key)}
        needed = depending(self._entries, missing)
        if is_last:
            self._leave([entry for entry in self.waiting if entry in needed])
        self.waiting = [entry for entry in self.waiting if entry not in needed] if is_last else needed

    def _leave(self, entries: Sequence[Entry]) -> None:
        """Reports objects that depend on a build that is left out. Comments and the like are not reported separately."""
        for entry in entries:
            if entry.kind in ABOUT:
                self.telling.not_brought.append(entry.title)
            else:
                self.telling.leave(
                    entry.label, entry.title, "It depends on an index or a constraint that is not copied."
                )

    async def _one(
        self, target: Connection, kind: str, key: str, statement: bytes, what: Check | Entry, *, is_last: bool
    ) -> None:
        self.telling.says = what.label
        try:
            async with target.transaction():
                await target.execute(statement)
                await self.ledger.note(target, kind, key)
        except psycopg.Error as refused:
            if is_lost(refused):
                raise
            if is_last and refused.sqlstate == NOT_FILLED:
                title = what.title if isinstance(what, Entry) else what.label
                self.telling.leave(what.label, title, one_line(refused))
                return
            if is_last or (refused.sqlstate or "").startswith(VIOLATED):
                raise _refused(what, refused) from refused
            return
        self.ledger.confirm(kind, key)


def _refused(what: Check | Entry, refused: psycopg.Error) -> ChangeoverError:
    if not isinstance(what, Check) or refused.sqlstate != "23514":
        return failed_at(what.label, refused)
    name, of = sql.Identifier(what.name).as_string(), what.of.as_string()
    table = sql.Identifier(what.schema, what.owner)
    query = sql.SQL("SELECT * FROM ONLY {} WHERE NOT ({})").format(table, sql.SQL(what.condition)).as_string()
    listed = "" if what.is_of_domain else f" {query}; lists them."
    return TransferFailed(
        f"{what.label} could not be created.",
        why=f"Rows of the source violate it: their values or its function's results have changed. {one_line(refused)}",
        fix=f"Correct these rows on the source.{listed} Or mark the constraint on the source as not valid: ALTER {of} DROP"
        f" CONSTRAINT {name}; ALTER {of} ADD CONSTRAINT {name} {what.definition} NOT VALID; then run the command again.",
    )


def _added(check: Check) -> bytes:
    name = sql.Identifier(check.name)
    parts: list[sql.Composable] = [
        sql.SQL("ALTER {} ADD CONSTRAINT {} ").format(check.of, name) + sql.SQL(check.definition)
    ]
    if check.comment is not None:
        on = check.of if check.is_of_domain else sql.Identifier(check.schema, check.owner)
        parts.append(sql.SQL("COMMENT ON CONSTRAINT {} ON {} IS {}").format(name, on, sql.Literal(check.comment)))
    return sql.SQL(";\n").join(parts).as_bytes(None)


async def take_away_checks(target: Connection, ledger: Ledger, checks: Sequence[Check]) -> None:
    """Drop checks that were created with their tables and can be added later. The tables are still empty."""
    for check in checks:
        if ledger.has("late check", check.key):
            continue
        dropped = sql.SQL("ALTER {} DROP CONSTRAINT {}").format(check.of, sql.Identifier(check.name))
        try:
            async with target.transaction():
                if check.is_of_domain:
                    await _try_to_put_back(target, check, dropped)
                await target.execute(dropped)
                await ledger.note(target, "late check", check.key)
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedObject):
            continue  # it stays, or a parent's check adds it later
        ledger.confirm("late check", check.key)


async def _try_to_put_back(target: Connection, check: Check, dropped: sql.Composed) -> None:
    """Raises FeatureNotSupported for a domain that columns use inside an array or a composite."""
    try:
        async with target.transaction(force_rollback=True):
            await target.execute(dropped)
            await target.execute(_added(check))
    except psycopg.Error as refused:
        if is_lost(refused) or refused.sqlstate in ("0A000", "42704"):
            raise


async def attach(target: Connection, ledger: Ledger, entries: Sequence[Entry]) -> None:
    """Attach the partitions whose bounds depend on a function. Raises TransferFailed."""
    await make(target, ledger, entries, "attached")


async def recompute(target: Connection, columns: Sequence[Generated], telling: Telling) -> None:
    """Recompute stored columns whose functions return a different value than at insertion, until none changes.

    PostgreSQL recomputes a column when a column in its expression is updated. If there is none, the column is only checked.
    """
    await _recompute_until_they_rest(target, [one for one in columns if one.made_from is not None], telling)
    for column in columns:
        if column.made_from is None and await _is_outdated(target, column):
            telling.note(
                f"Generated column {column.label} has other values than its expression gives now. Its expression uses no"
                f" column that can be updated, so PostgreSQL does not recompute it. Drop and add it if this matters."
            )


async def _recompute_until_they_rest(target: Connection, columns: Sequence[Generated], telling: Telling) -> None:
    for _ in range(len(columns) + 1):
        changed = 0
        for column in columns:
            telling.says = column.label
            changed += await _recompute(target, column)
        if not changed:
            return
    telling.note("Generated columns did not become stable: " + ", ".join(column.label for column in columns) + ".")


async def _is_outdated(target: Connection, column: Generated) -> bool:
    name = sql.Identifier(column.name)
    query = sql.SQL("SELECT EXISTS (SELECT FROM ONLY {} WHERE {}::text IS DISTINCT FROM ({})::text)").format(
        sql.Identifier(column.schema, column.table_name), name, sql.SQL(column.expression)
    )
    with naming(f"Generated column {column.label}"):
        ((is_outdated,),) = await (await target.execute(query)).fetchall()
    return bool(is_outdated)


async def _recompute(target: Connection, column: Generated) -> int:
    statement = sql.SQL("UPDATE ONLY {} SET {} = {} WHERE {}::text IS DISTINCT FROM ({})::text").format(
        sql.Identifier(column.schema, column.table_name),
        *(sql.Identifier(column.made_from or ""), sql.Identifier(column.made_from or ""), sql.Identifier(column.name)),
        sql.SQL(column.expression),
    )
    try:
        return (await target.execute(statement)).rowcount
    except psycopg.Error as refused:
        if is_lost(refused):
            raise
        raise failed_at(f"Generated column {column.label}", refused) from refused
