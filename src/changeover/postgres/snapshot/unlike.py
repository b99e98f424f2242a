"""What a dump makes otherwise, and says nothing of: the report names it."""

from __future__ import annotations

from typing import Final

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.telling import Telling

CHILDREN: Final = """
SELECT c.oid::regclass::text, array_agg(a.attname::text ORDER BY a.attnum)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'f') AND NOT c.relispartition AND c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits)
 GROUP BY c.oid
"""
MEMBERS: Final = """
SELECT e.extname::text || ' ' || e.extversion, i.type || ' ' || i.identity
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid,
       pg_catalog.pg_identify_object(d.classid, d.objid, 0) i
 WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
   AND i.type IN ('function', 'procedure', 'aggregate', 'table', 'view', 'materialized view', 'sequence')
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
    wanted: set[tuple[str, str]] = set(await (await source.execute(MEMBERS)).fetchall())
    made: set[tuple[str, str]] = set(await (await target.execute(MEMBERS)).fetchall())
    extensions = {extension for extension, _ in made}
    for extension, member in sorted(wanted - made):
        if extension in extensions:
            telling.leave(member, member, f"It was added to the extension {extension} by hand, so no dump has it.")
