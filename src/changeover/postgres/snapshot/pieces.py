"""Cuts tables into pieces of work and orders them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from changeover.postgres.snapshot.contents import Table

BLOCK: Final = 8192
RANGES_SINCE: Final = 140000
"""The first version that reads a range of ctids without reading the whole table."""
Cuts = dict[str, list[int]]
"""The first block of each piece, by a table's quoted name."""
FROZEN_FROM: Final = 1 << 20
SMALLEST_SHARE: Final = 256 << 20
"""Smaller tables are never cut, however few others there are."""


@dataclass(frozen=True)
class Piece:
    """A table, or a range of its blocks: from `first` up to but excluding `end`, or to the end if None."""

    table: Table
    first: int = 0
    end: int | None = None
    of: int = 1
    """The number of pieces of the table."""

    @property
    def name(self) -> str:
        """Its name in the ledger."""
        return self.table.quoted if self.of == 1 else f"{self.table.quoted} from block {self.first}"

    @property
    def bytes(self) -> int:
        return self.table.bytes // self.of


def plan_cuts(tables: Sequence[Table], *, version_num: int, connections: int, range_bytes: int) -> Cuts:
    """Which tables to cut, and where. Planned once and kept, so that a growing table isn't cut differently later."""
    share = max(SMALLEST_SHARE, sum(table.bytes for table in tables) // max(1, connections))
    chosen = {}
    for table in tables:
        count = _pieces(table, share=share, range_bytes=range_bytes, connections=connections)
        if count > 1 and version_num >= RANGES_SINCE and table.condition is None:
            chosen[table.quoted] = [table.heap_bytes // BLOCK * index // count for index in range(count)]
    return chosen


def pieces_of(tables: Sequence[Table], cuts: Cuts) -> list[Piece]:
    """Largest tables first, so that no large one is left alone at the end."""
    made = []
    for table in sorted(tables, key=lambda table: -table.bytes):
        edges = cuts.get(table.quoted, [0])
        ends = [*edges[1:], None]
        made += [Piece(table, first, end, len(edges)) for first, end in zip(edges, ends, strict=True)]
    return made


def _pieces(table: Table, *, share: int, range_bytes: int, connections: int) -> int:
    count = -(-table.bytes // range_bytes)
    if connections > 1 and table.bytes > share * 1.5:
        count = max(count, 2 * connections)
    return min(count, table.heap_bytes // BLOCK)


def reading(piece: Piece) -> str | None:
    """The query for a piece. None if the table is read as a whole, by its name."""
    table = piece.table
    where: sql.Composable
    if table.condition:
        where = sql.SQL(table.condition)  # the extension's own text
    elif piece.of > 1:
        where = sql.SQL("WHERE ctid >= '({},0)'::tid").format(sql.Literal(piece.first))
        if piece.end is not None:
            where += sql.SQL(" AND ctid < '({},0)'::tid").format(sql.Literal(piece.end))
    else:
        return None
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    name = sql.Identifier(table.schema, table.name)
    return sql.SQL("SELECT {} FROM ONLY {} {}").format(columns, name, where).as_string()


def writing(piece: Piece) -> sql.Composed:
    """The COPY on the target. FREEZE saves later scans from setting hint bits."""
    table = piece.table
    options = "FORMAT binary" if table.is_plain else "FORMAT text"
    if is_frozen(piece):
        options += ", FREEZE"
    names = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    columns = sql.SQL(" ({})").format(names) if table.columns else sql.SQL("")
    return sql.SQL("COPY {}{} FROM STDIN WITH ({})").format(table.target, columns, sql.SQL(options))


def emptying(piece: Piece) -> sql.Composed | None:
    """The statement that runs before it in the same transaction. COPY FREEZE requires a TRUNCATE in the transaction, and an
    extension's table that already existed may contain rows from an earlier attempt."""
    name = sql.Identifier(piece.table.schema, piece.table.name)
    if piece.table.condition is not None:
        return sql.SQL("DELETE FROM ONLY {} ").format(name) + sql.SQL(piece.table.condition)
    return sql.SQL("TRUNCATE ONLY {}").format(name) if is_frozen(piece) else None


def is_frozen(piece: Piece) -> bool:
    """Whether FREEZE is possible, because the table gets these rows only, and large enough to be worth a TRUNCATE."""
    table = piece.table
    is_ordinary = table.condition is None and table.extension is None and table.tree is None
    return piece.of == 1 and is_ordinary and table.bytes >= FROZEN_FROM
