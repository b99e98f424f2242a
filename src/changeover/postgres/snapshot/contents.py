"""The source's contents at the snapshot: tables with their columns and sizes, indexes, sequences, views to refresh."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from psycopg import sql

from changeover.postgres.connect import Connection
from changeover.postgres.excluding import Excluded, Name
from changeover.postgres.partition_trees import TREES, Tree, trees_of

PLAIN: Final = (
    *(
        "bool",
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "numeric",
        "oid",
        "char",
        "name",
        "text",
        "varchar",
        "bpchar",
    ),
    *("bytea", "date", "time", "timetz", "timestamp", "timestamptz", "interval", "uuid", "json", "jsonb"),
    *("inet", "cidr", "macaddr", "macaddr8", "bit", "varbit", "pg_lsn", "money"),
)
"""Types whose binary format has been the same in all versions since 12. Others contain oids (regclass, composites), belong to
an extension, or include their encoding (xml). Those are sent as text."""

TABLES: Final = """
WITH RECURSIVE base (oid, root) AS (
    SELECT oid, oid FROM pg_catalog.pg_type WHERE typtype <> 'd'
    UNION ALL
    SELECT t.oid, b.root FROM base b JOIN pg_catalog.pg_type t ON t.typtype = 'd' AND t.typbasetype = b.oid
), plain AS (
    SELECT b.oid FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.root LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
     WHERE t.oid = ANY (%(plain)s::text[]::regtype[]) OR t.typtype = 'e'
        OR (t.typlen = -1 AND t.typelem <> 0 AND e.oid = ANY (%(plain)s::text[]::regtype[]) AND e.typarray = t.oid)
), config AS (
    SELECT c.oid, w.condition, e.extname::text
      FROM pg_catalog.pg_extension e, unnest(e.extconfig, e.extcondition) w (oid, condition)
      JOIN pg_catalog.pg_class c ON c.oid = w.oid
     WHERE e.extname <> ALL (%(extensions)s)
)
SELECT c.oid::bigint, n.nspname::text, c.relname::text, pg_catalog.pg_table_size(c.oid), pg_catalog.pg_relation_size(c.oid),
       coalesce(columns.names, '{}'), columns.total, coalesce(columns.plain, false), config.condition, config.extname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN config ON config.oid = c.oid
  CROSS JOIN LATERAL (
      SELECT array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = '') AS names, count(*) AS total,
             bool_and(EXISTS (SELECT FROM plain WHERE plain.oid = a.atttypid)) FILTER (WHERE a.attgenerated = '') AS plain
        FROM pg_catalog.pg_attribute a
       WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  ) columns
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', '_changeover') AND n.nspname !~ '^pg_(toast|temp)'
   AND n.nspname <> ALL (%(schemas)s)
   AND (config.oid IS NOT NULL OR NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d
         WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
 ORDER BY 4 DESC, 2, 3
"""
INDEXED: Final = """
SELECT 1259::bigint, i.indexrelid::bigint, i.indrelid::bigint, 0::bigint, c.relkind = 'm'
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid WHERE i.indexrelid >= 16384
UNION ALL
SELECT 2606, oid, conrelid, confrelid, false FROM pg_catalog.pg_constraint WHERE conrelid <> 0 AND oid >= 16384
"""
"""The table of an index (class 1259) or constraint (2606), the table a foreign key references, and whether it is a
materialized view."""

SEQUENCES: Final = """
SELECT n.nspname::text, c.relname::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname <> '_changeover' AND n.nspname !~ '^pg_temp'
   AND n.nspname <> ALL (%(schemas)s)
   AND (NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                       AND d.objid = c.oid AND d.deptype = 'e')
        OR EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE c.oid = ANY (e.extconfig) AND e.extname <> ALL (%(extensions)s)))
 ORDER BY 1, 2
"""
VIEWS: Final = """
WITH RECURSIVE uses (view, used) AS (
    SELECT DISTINCT r.ev_class, d.refobjid
      FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d
        ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
       AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
), deep (view, level) AS (
    SELECT c.oid, 0 FROM pg_catalog.pg_class c WHERE c.relkind IN ('m', 'v') AND c.oid >= 16384
    UNION
    SELECT u.view, d.level + 1 FROM deep d JOIN uses u ON u.used = d.view WHERE d.level < 200
), calling (view) AS (
    SELECT r.ev_class FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d
        ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid AND d.refobjid >= 16384
       AND d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass)
    UNION SELECT u.view FROM calling c JOIN uses u ON u.used = c.view
)
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relispopulated
  FROM deep d JOIN pg_catalog.pg_class c ON c.oid = d.view JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm' AND n.nspname <> ALL (%(schemas)s)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::regclass
                      AND e.objid = c.oid AND e.deptype = 'e')
 GROUP BY 1, 2, 3, 4 ORDER BY bool_or(d.view IN (SELECT view FROM calling)), max(d.level), 2, 3
"""
"""Views that call functions come last: a function may read any of the others."""


@dataclass(frozen=True)
class Table:
    """A table that stores rows: a plain table or a partition."""

    oid: int
    schema: str
    name: str
    bytes: int
    """Heap and TOAST, without indexes."""
    heap_bytes: int
    columns: tuple[str, ...]
    """The columns that are written. Generated columns are not."""
    column_count: int
    is_plain: bool
    """Whether each column's binary format is the same everywhere."""
    condition: str | None
    """The WHERE clause of an extension's configuration table, which also has rows of the extension itself. May be empty."""
    extension: str | None
    tree: Tree | None = None
    """If set, rows are loaded through its root, because they may belong to a different partition on the target."""

    @property
    def target(self) -> sql.Identifier:
        """The table that its rows are written to."""
        return sql.Identifier(*self.tree.place) if self.tree else sql.Identifier(self.schema, self.name)

    @property
    def quoted(self) -> str:
        """For SQL and for display."""
        return sql.Identifier(self.schema, self.name).as_string()


@dataclass(frozen=True)
class View:
    """A materialized view. The views that it reads are listed before it."""

    oid: int
    schema: str
    name: str
    is_populated: bool

    @property
    def quoted(self) -> str:
        return sql.Identifier(self.schema, self.name).as_string()


@dataclass(frozen=True)
class Belonging:
    """The tables of an index or constraint."""

    table: int
    """oid"""
    refers_to: int
    """The oid of the table that a foreign key references; 0 otherwise."""
    is_of_view: bool


@dataclass(frozen=True)
class Contents:
    """The database's contents at the snapshot."""

    tables: tuple[Table, ...]
    """Largest first."""
    views: tuple[View, ...]
    """In an order in which they can be refreshed."""
    belongs: dict[tuple[int, int], Belonging]
    """By class and oid of an index or constraint."""
    encoding: str
    version_num: int

    def without(self, excluded: Excluded) -> Contents:
        tables = tuple(one for one in self.tables if not excluded.has(one.schema, one.name))
        return replace(
            self, tables=tables, views=tuple(one for one in self.views if not excluded.has(one.schema, one.name))
        )

    @property
    def bytes(self) -> int:
        return sum(table.bytes for table in self.tables)


async def read_contents(
    connection: Connection, skip_schemas: tuple[str, ...], skip_extensions: tuple[str, ...], *, target_encoding: str
) -> Contents:
    """Reads in the caller's transaction and sees its snapshot."""
    chosen = {"schemas": list(skip_schemas), "extensions": list(skip_extensions), "plain": list(PLAIN)}
    tables = [_table(row) for row in await (await connection.execute(TABLES, chosen)).fetchall()]
    views = [View(*row) for row in await (await connection.execute(VIEWS, chosen)).fetchall()]
    rows = await (await connection.execute(INDEXED)).fetchall()
    belongs = {(kind, oid): Belonging(table, refers_to, is_view) for kind, oid, table, refers_to, is_view in rows}
    found = await connection.execute(
        "SELECT pg_encoding_to_char(encoding)::text, current_setting('server_version_num')::int"
        " FROM pg_catalog.pg_database WHERE datname = current_database()"
    )
    ((encoding, version_num),) = await found.fetchall()
    differ = {"encodings_differ": encoding != target_encoding}
    trees = trees_of(await (await connection.execute(TREES, differ)).fetchall())
    tree_of = {leaf: tree for tree in trees for leaf in tree.leaves}
    tables = [replace(one, tree=tree_of.get(one.oid)) for one in tables]
    return Contents(tuple(tables), tuple(views), belongs, encoding, version_num)


def _table(row: tuple[Any, ...]) -> Table:
    oid, schema, name, size, heap, columns, total, is_plain, condition, extension = row
    return Table(oid, schema, name, size, heap, tuple(columns), total, is_plain, condition, extension)


async def sequence_names(
    connection: Connection, skip_schemas: tuple[str, ...], skip_extensions: tuple[str, ...]
) -> list[Name]:
    """All sequences, including those of identity columns."""
    chosen = {"schemas": list(skip_schemas), "extensions": list(skip_extensions)}
    return [(schema, name) for schema, name in await (await connection.execute(SEQUENCES, chosen)).fetchall()]
