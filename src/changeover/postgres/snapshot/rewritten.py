"""Tables that were rewritten between two attempts, so that copied block ranges no longer contain the same rows.

VACUUM FULL and CLUSTER are allowed while writers are held, because they change no row. During an attempt, our locks block them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.contents import Table
from changeover.postgres.snapshot.ledger import Ledger
from changeover.postgres.snapshot.pieces import Cuts


async def note_cuts(
    source: Connection, target: Connection, ledger: Ledger, tables: Sequence[Table], cuts: Cuts
) -> None:
    """Records the cuts with their tables' file nodes. The tables are locked."""
    files = await files_of(source, tables, cuts)
    async with target.transaction():
        await ledger.note(target, "plan", "cuts", **cuts)
        await ledger.note(target, "plan", "files", **files)
    ledger.confirm("plan", "cuts", **cuts)
    ledger.confirm("plan", "files", **files)


async def files_of(source: Connection, tables: Sequence[Table], cuts: Cuts) -> dict[str, int]:
    """The file node of each cut table, by the table's quoted name. It changes when the table is rewritten."""
    oids = {table.oid: table.quoted for table in tables if table.quoted in cuts}
    found = await source.execute(
        "SELECT oid::bigint, pg_catalog.pg_relation_filenode(oid)::bigint FROM unnest(%s::oid[]) oid", [list(oids)]
    )
    return {oids[oid]: file for oid, file in await found.fetchall() if file is not None}


async def rewritten_since(
    source: Connection, tables: Sequence[Table], cuts: Cuts, noted: Mapping[str, Any]
) -> list[str]:
    """Quoted names of tables whose file node differs from `noted`, as `files_of` returned it."""
    files = await files_of(source, tables, cuts)
    return sorted(name for name, file in noted.items() if files.get(name, file) != file)
