"""Checks whether everything that an archive lists exists after a restore, independently of pg_restore's output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from changeover.errors.transfers import RestoreFailed
from changeover.postgres.connect import Connection
from changeover.postgres.toc import TocEntry

SORTS: Final = {
    "SCHEMA": "schema", "TABLE": "relation", "FOREIGN TABLE": "relation", "VIEW": "relation", "MATERIALIZED VIEW": "relation",
    "SEQUENCE": "relation", "INDEX": "relation", "TYPE": "type", "DOMAIN": "type", "CONSTRAINT": "constraint",
    "FK CONSTRAINT": "constraint", "CHECK CONSTRAINT": "constraint", "TRIGGER": "trigger", "RULE": "rule", "POLICY": "policy",
    "STATISTICS": "statistics", "COLLATION": "collation",
}  # fmt: skip
"""Kinds of entries that are looked up by schema and name. The name of what belongs to a table begins with the table's."""
COUNTED: Final = {"FUNCTION": "routine", "PROCEDURE": "routine", "AGGREGATE": "routine", "OPERATOR": "operator"}
"""Their names are not unique, so they are counted by schema."""
NAMED: Final = 5

EXISTING: Final = """
SELECT 'schema', '', nspname FROM pg_catalog.pg_namespace
UNION ALL SELECT 'relation', nspname, relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
UNION ALL SELECT 'type', nspname, typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = typnamespace
UNION ALL SELECT 'constraint', nspname, coalesce(relname, typname) || ' ' || conname
  FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_namespace n ON n.oid = connamespace
       LEFT JOIN pg_catalog.pg_class c ON c.oid = conrelid LEFT JOIN pg_catalog.pg_type t ON t.oid = contypid
UNION ALL SELECT 'trigger', nspname, relname || ' ' || tgname FROM pg_catalog.pg_trigger
  JOIN pg_catalog.pg_class c ON c.oid = tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
UNION ALL SELECT 'rule', nspname, relname || ' ' || rulename FROM pg_catalog.pg_rewrite
  JOIN pg_catalog.pg_class c ON c.oid = ev_class JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
UNION ALL SELECT 'policy', nspname, relname || ' ' || polname FROM pg_catalog.pg_policy
  JOIN pg_catalog.pg_class c ON c.oid = polrelid JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
UNION ALL SELECT 'statistics', nspname, stxname FROM pg_catalog.pg_statistic_ext
  JOIN pg_catalog.pg_namespace n ON n.oid = stxnamespace
UNION ALL SELECT 'collation', nspname, collname FROM pg_catalog.pg_collation
  JOIN pg_catalog.pg_namespace n ON n.oid = collnamespace
"""
NUMBERS: Final = """
WITH brought AS (SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e')
SELECT 'routine', nspname, count(*) FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = pronamespace
 WHERE (p.tableoid, p.oid) NOT IN (SELECT classid, objid FROM brought) GROUP BY nspname
UNION ALL
SELECT 'operator', nspname, count(*) FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = oprnamespace
 WHERE (o.tableoid, o.oid) NOT IN (SELECT classid, objid FROM brought) GROUP BY nspname
"""
"""Without those of extensions, which an archive does not list."""


async def missing(connection: Connection, wanted: Iterable[TocEntry]) -> list[str]:
    """What is listed and does not exist, in words; empty when all is there."""
    entries = list(wanted)
    existing = set(await (await connection.execute(EXISTING.encode())).fetchall())
    lost = [
        f"{entry.kind} {_name(entry)}"
        for entry in entries
        if entry.kind in SORTS and (SORTS[entry.kind], entry.schema, entry.name) not in existing
    ]
    listed = Counter((COUNTED[entry.kind], entry.schema) for entry in entries if entry.kind in COUNTED)
    rows = await (await connection.execute(NUMBERS.encode())).fetchall()
    found = {(sort, schema): int(number) for sort, schema, number in rows}
    lost += [
        f"{number - found.get((sort, schema), 0)} {sort}s of the schema {schema}"
        for (sort, schema), number in listed.items()
        if found.get((sort, schema), 0) < number
    ]
    return lost


def require_nothing_missing(lost: list[str], what: str) -> None:
    """Raises RestoreFailed."""
    if lost:
        more = f", and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
        raise RestoreFailed(
            what, why=f"These objects of the archive do not exist after the restore: {'; '.join(lost[:NAMED])}{more}.",
            fix="See pg_restore's output (`changeover pg:backups:info`), fix the problem, and restore again. It starts over.",
        )  # fmt: skip


def _name(entry: TocEntry) -> str:
    return f"{entry.schema}.{entry.name}" if entry.schema else entry.name
