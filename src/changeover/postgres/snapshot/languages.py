"""Languages based on an extension's functions. Their dump lacks the handlers, so PostgreSQL would look for an extension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from psycopg import sql

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.archive import Entry

KIND: Final = "PROCEDURAL LANGUAGE"
FUNCTIONS: Final = """
SELECT l.oid::bigint, l.lanname::text, l.lanpltrusted, part.name, n.nspname::text, p.proname::text
  FROM pg_catalog.pg_language l
 CROSS JOIN LATERAL (VALUES (1, 'HANDLER', l.lanplcallfoid), (2, 'INLINE', l.laninline), (3, 'VALIDATOR', l.lanvalidator))
       AS part (place, name, function)
  JOIN pg_catalog.pg_proc p ON p.oid = part.function JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE l.lanispl ORDER BY l.oid, part.place
"""


async def with_handlers(source: Connection, entries: Sequence[Entry]) -> list[Entry]:
    """The entries in their order, with complete CREATE LANGUAGE statements."""
    if not any(one.kind == KIND for one in entries):
        return list(entries)
    made: dict[int, sql.Composed] = {}
    for oid, name, is_trusted, part, schema, function in await (await source.execute(FUNCTIONS)).fetchall():
        if oid not in made:
            kind = sql.SQL("TRUSTED LANGUAGE") if is_trusted else sql.SQL("LANGUAGE")
            made[oid] = sql.SQL("CREATE {} {}").format(kind, sql.Identifier(name))
        made[oid] += sql.SQL(" {} {}").format(sql.SQL(part), sql.Identifier(schema, function))
    return [_with(one, made[one.toc.oid]) if one.kind == KIND and one.toc.oid in made else one for one in entries]


def _with(entry: Entry, statement: sql.Composed) -> Entry:
    made = statement.as_bytes() + b";"
    return replace(entry, text=entry.text.replace(entry.toc.definition.strip(), made))
