"""Numbers of a copy for each table. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from changeover.postgres.snapshot.pieces import Piece

MOST_LISTED: Final = 10_000
"""Limited because the report is stored as one value in our state."""


def table_figures(pieces: Sequence[Piece], noted: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Largest first: {schema, table, bytes, rows, seconds}. `noted` is the ledger's entry for each piece, by name.

    `bytes` is the size on the source without indexes. `seconds` is the time of COPY, added up for ranges, which are copied
    concurrently. rows and seconds are None if an older version copied the table without recording them.
    """
    of_table: dict[int, list[Piece]] = defaultdict(list)
    for piece in pieces:
        of_table[piece.table.oid].append(piece)
    largest = sorted(of_table.values(), key=lambda some: (-some[0].table.bytes, some[0].table.quoted))
    return [_figures(some, noted) for some in largest[:MOST_LISTED]]


def _figures(pieces: Sequence[Piece], noted: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    table, facts = pieces[0].table, [noted.get(piece.name, {}) for piece in pieces]
    known = all("rows" in one and "seconds" in one for one in facts)
    return {
        "schema": table.schema,
        "table": table.name,
        "bytes": table.bytes,
        "rows": sum(one["rows"] for one in facts) if known else None,
        "seconds": round(sum(one["seconds"] for one in facts), 3) if known else None,
    }
