"""What a dump makes otherwise, and says nothing of: the report names it."""

from __future__ import annotations

from typing import Final

from changeover.postgres.connect import Connection
from changeover.postgres.extension_members import added_by_hand, read_members
from changeover.postgres.snapshot.telling import Telling

CHILDREN: Final = """
SELECT c.oid::regclass::text, array_agg(a.attname::text ORDER BY a.attnum)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'f') AND NOT c.relispartition AND c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits)
 GROUP BY c.oid
"""


async def name_what_is_unlike(source: Connection, target: Connection, telling: Telling) -> None:
    """Columns of inheritance children in another order; what was added to an extension by hand."""
    there: dict[str, list[str]] = dict(await (await source.execute(CHILDREN)).fetchall())
    here: dict[str, list[str]] = dict(await (await target.execute(CHILDREN)).fetchall())
    for table, columns in there.items():
        if table in here and here[table] != columns and sorted(here[table]) == sorted(columns):
            telling.note(
                f"The columns of {table} are in another order: {', '.join(columns)} on the source, {', '.join(here[table])} here."
                " Name the columns in INSERT and COPY."
            )
    for extension, member in added_by_hand(await read_members(source), await read_members(target)):
        telling.leave(member, member, f"It was added to the extension {extension} by hand, so no dump has it.")
