"""The internal triggers of constraints, if the source has them disabled or enabled differently. Dumps don't contain that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from psycopg import sql

from changeover.postgres.connect import Connection
from changeover.postgres.excluding import Excluded
from changeover.postgres.snapshot.archive import Entry
from changeover.postgres.snapshot.sessions import refusal_of

TRIGGERS: Final = """
SELECT tn.nspname::text, tr.relname::text, cn.nspname::text, cr.relname::text, c.conname::text, p.proname::text,
       t.tgenabled::text, t.tgname::text
  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_constraint c ON c.oid = t.tgconstraint
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_class tr ON tr.oid = t.tgrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = tr.relnamespace
  JOIN pg_catalog.pg_class cr ON cr.oid = c.conrelid JOIN pg_catalog.pg_namespace cn ON cn.oid = cr.relnamespace
 WHERE t.tgisinternal AND c.contype <> 't' AND tn.nspname <> ALL (%(schemas)s) AND cn.nspname <> ALL (%(schemas)s)
   AND (cn.nspname, cr.relname, c.conname) IN (SELECT * FROM unnest(%(of)s::text[], %(tables)s::text[], %(names)s::text[])
                                               UNION ALL SELECT cn.nspname, cr.relname, c.conname WHERE %(all)s)
   AND (NOT %(all)s OR t.tgenabled <> 'O')
"""
OF_CONSTRAINTS: Final = """
SELECT t.oid::bigint FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_constraint c ON c.oid = t.tgconstraint
  JOIN pg_catalog.pg_class r ON r.oid = t.tgrelid WHERE t.tgisinternal AND c.contype <> 't' AND r.relispartition
"""
STATES: Final = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


async def without_triggers_of_constraints(source: Connection, entries: Sequence[Entry]) -> list[Entry]:
    """Drops triggers of partitions, which pg_dump prints with names that the target doesn't have."""
    found = {oid for (oid,) in await (await source.execute(OF_CONSTRAINTS)).fetchall()}
    return [one for one in entries if one.kind != "TRIGGER" or one.toc.oid not in found]


async def bring_trigger_states(
    source: Connection,
    target: Connection,
    excluded: Excluded,
    skip_schemas: tuple[str, ...],
    tell: Callable[[str], None],
) -> None:
    """Needs a superuser. Otherwise they stay enabled and the report says so. Repeatable."""
    skipped = {"schemas": ["pg_catalog", "information_schema", *skip_schemas, *excluded.schemas]}
    everything = {**skipped, "all": True, "of": [], "tables": [], "names": []}
    unlike = [
        row for row in await (await source.execute(TRIGGERS, everything)).fetchall() if not excluded.has(*row[2:4])
    ]
    if not unlike:
        return
    of, tables, names = (list(part) for part in zip(*{row[2:5] for row in unlike}, strict=True))
    wanted = {**skipped, "all": False, "of": of, "tables": tables, "names": names}
    there = {row[:6]: row[7] for row in await (await target.execute(TRIGGERS, wanted)).fetchall()}
    for row in unlike:
        schema, table, _, of_table, constraint, _, state, _ = row
        what = f"A trigger of the constraint {constraint} of {of_table} on {schema}.{table}"
        if row[:6] not in there:
            tell(f"{what} has a different state on the source: {STATES[state]}. It was not found on the target.")
            continue
        statement = sql.SQL("ALTER TABLE ONLY {} {} TRIGGER {}").format(
            sql.Identifier(schema, table), sql.SQL(STATES[state]), sql.Identifier(there[row[:6]])
        )
        if refusal := await refusal_of(target, statement):
            tell(
                f"{what} is enabled on the target, but has a different state on the source: {STATES[state]}. {refusal}"
            )
