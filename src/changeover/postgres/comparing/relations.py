"""The relations that hold rows: tables and materialized views, with their columns and keys, from the catalog."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from changeover.postgres.comparing.sides import Side
from changeover.postgres.excluding import NOTHING, Excluded
from changeover.postgres.partition_trees import TREES, trees_of

SYSTEM = "(n.nspname IN ('pg_catalog', 'information_schema') OR n.nspname ~ '^pg_(toast|temp)')"

RELATIONS = f"""
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, c.relispopulated,
       CASE WHEN c.relkind = 'f' THEN 0 ELSE pg_relation_size(c.oid) END,
       CASE WHEN c.relkind = 'f' THEN 0 ELSE pg_table_size(c.oid) END,
       coalesce((SELECT x.extcondition[array_position(x.extconfig, c.oid)] FROM pg_extension x
                  WHERE c.oid = ANY (x.extconfig)), '')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE (c.relkind IN ('r', 'm', 'f') OR c.oid = ANY (%s)) AND c.relpersistence <> 't' AND NOT {SYSTEM}
   AND n.nspname <> ALL (%s)
   AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
                      AND d.refclassid = 'pg_extension'::regclass
                      AND (x.extname = ANY (%s) OR NOT c.oid = ANY (coalesce(x.extconfig, '{{}}'))))
 ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
"""  # noqa: S608 – a constant of ours

COLUMNS = """
WITH RECURSIVE base (type, root) AS (
    SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
    UNION ALL SELECT t.oid, b.root FROM pg_type t JOIN base b ON t.typbasetype = b.type WHERE t.typtype = 'd')
SELECT a.attrelid::bigint, a.attname::text,
       CASE WHEN tn.nspname = 'pg_catalog' THEN t.typname::text ELSE tn.nspname || '.' || t.typname END,
       format_type(a.atttypid, a.atttypmod), a.attcollation <> 0
  FROM pg_attribute a JOIN base b ON b.type = a.atttypid
  JOIN pg_type t ON t.oid = b.root JOIN pg_namespace tn ON tn.oid = t.typnamespace
 WHERE a.attrelid = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v'
 ORDER BY a.attrelid, a.attnum
"""

KEYS = """
SELECT i.indrelid::bigint, array_agg(a.attname::text ORDER BY k.place)
  FROM pg_index i
  CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
  LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND a.attnotnull
 WHERE i.indrelid = ANY (%s) AND i.indisunique AND i.indisvalid AND i.indimmediate
   AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
 GROUP BY i.indexrelid, i.indrelid, i.indisprimary
HAVING bool_and(a.attname IS NOT NULL)
 ORDER BY i.indrelid, i.indisprimary DESC, count(*), min(a.attname::text COLLATE "C")
"""


@dataclass(frozen=True)
class Column:
    """A column that stores a value. Virtual ones don't: each query computes them, and can fail."""

    name: str
    base: str
    """The type below all domains: a bare name for built-in types, otherwise with its schema."""
    declared: str
    """The type as CAST takes it."""
    has_collation: bool


@dataclass
class Relation:
    """One table or materialized view of one side."""

    oid: int
    schema: str
    name: str
    kind: str
    """pg_class.relkind: r, m, f, or p if the partitions' rows are compared together."""
    is_populated: bool
    main_bytes: int
    table_bytes: int
    condition: str
    """For an extension's configuration table, the WHERE clause that selects the user's rows."""
    columns: dict[str, Column] = field(default_factory=dict)
    keys: list[tuple[str, ...]] = field(default_factory=list)
    """Column names of each unique index that can identify rows, the primary key first."""

    @property
    def title(self) -> str:
        kind = {"m": "materialized view", "f": "foreign table"}.get(self.kind, "table")
        return f"{kind} {self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


async def read_relations(
    side: Side,
    *,
    skip_schemas: list[str],
    skip_extensions: list[str],
    excluded: Excluded = NOTHING,
    encodings_differ: bool,
) -> dict[tuple[str, str], Relation]:
    """All relations that hold rows, by schema and name. Child tables and partitions are listed separately, except partitions
    whose rows may be in a different partition in another database."""
    trees = trees_of(await side.rows(TREES, {"encodings_differ": encodings_differ}))
    found: dict[int, Relation] = {}
    for oid, *rest in await side.rows(RELATIONS, [[tree.root for tree in trees], skip_schemas, skip_extensions]):
        if not excluded.has(rest[0], rest[1]):
            found[oid] = Relation(oid, *rest)
    for tree in trees:
        parts = [found.pop(leaf) for leaf in tree.leaves if leaf in found]
        if tree.root in found:
            found[tree.root].table_bytes = sum(part.table_bytes for part in parts)
    oids = list(found)
    for oid, *column in await side.rows(COLUMNS, [oids]):
        described: Any = Column(*column)
        found[oid].columns[described.name] = described
    for oid, names in await side.rows(KEYS, [oids]):
        found[oid].keys.append(tuple(names))
    return {(one.schema, one.name): one for one in found.values()}
