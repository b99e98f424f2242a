"""Expressions that may read other tables when evaluated, because they call functions, whose effects are unknown.

PostgreSQL evaluates a CHECK and a generated column for each inserted row, and index expressions when the index is built. Such
an expression must not run before all rows of all tables are there. Built-in functions count if they are not immutable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from psycopg import sql

from changeover.postgres.connect import Connection
from changeover.postgres.excluding import Excluded
from changeover.postgres.self_reading import SELF_READING

CALLING: Final = """
SELECT d.classid::bigint, d.objid::bigint FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_type t
    ON d.refclassid = 'pg_catalog.pg_type'::regclass AND t.oid = d.refobjid
 WHERE d.refobjid >= 16384 AND d.deptype IN ('n', 'a')
   AND (d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass) OR t.typtype = 'd')
   AND d.classid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_constraint'::regclass, 'pg_catalog.pg_attrdef'::regclass)
"""
"""Class and oid of objects that call functions, or have values of domains, that are not part of PostgreSQL."""
INDEXES: Final = """
WITH RECURSIVE calling (classid, objid) AS (SELECT * FROM unnest(%(classes)s::oid[], %(oids)s::oid[]))
SELECT 1259::bigint, i.indexrelid::bigint FROM pg_catalog.pg_index i
 WHERE (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND i.indexrelid >= 16384
   AND ('pg_catalog.pg_class'::regclass, i.indexrelid) IN (SELECT classid, objid FROM calling)
UNION ALL
SELECT 2606, c.oid FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_index i ON i.indexrelid = c.conindid
 WHERE c.contype IN ('p', 'u', 'x') AND c.oid >= 16384
   AND (('pg_catalog.pg_constraint'::regclass, c.oid) IN (SELECT classid, objid FROM calling)
        OR ((i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
            AND ('pg_catalog.pg_class'::regclass, i.indexrelid) IN (SELECT classid, objid FROM calling)))
"""
CHECKS: Final = """
WITH RECURSIVE calling (classid, objid) AS (SELECT * FROM unnest(%(classes)s::oid[], %(oids)s::oid[])), depth (oid, level) AS (
    SELECT inhrelid, 1 FROM pg_catalog.pg_inherits
    UNION SELECT i.inhrelid, d.level + 1 FROM depth d JOIN pg_catalog.pg_inherits i ON i.inhparent = d.oid
     WHERE d.level < 100
)
SELECT c.oid::bigint, n.nspname::text, coalesce(r.relname, t.typname)::text, c.conname::text, r.oid IS NULL,
       pg_catalog.pg_get_constraintdef(c.oid), pg_catalog.obj_description(c.oid, 'pg_constraint'),
       pg_catalog.pg_get_expr(c.conbin, c.conrelid)
  FROM pg_catalog.pg_constraint c LEFT JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
  LEFT JOIN pg_catalog.pg_type t ON t.oid = c.contypid
  JOIN pg_catalog.pg_namespace n ON n.oid = coalesce(r.relnamespace, t.typnamespace)
 WHERE c.contype = 'c' AND c.oid >= 16384 AND (r.relkind IN ('r', 'p') OR t.typtype = 'd') AND (c.conislocal OR r.oid IS NULL)
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', '_changeover') AND n.nspname <> ALL (%(schemas)s)
   AND (('pg_catalog.pg_constraint'::regclass, c.oid) IN (SELECT classid, objid FROM calling)
        OR c.conbin::text LIKE '%%{SQLVALUEFUNCTION%%'
        OR EXISTS (SELECT FROM regexp_matches(c.conbin::text, ':(?:funcid|opfuncid) (\\d+)', 'g') found (called)
                     JOIN pg_catalog.pg_proc p ON p.oid = found.called[1]::oid AND p.provolatile <> 'i'))
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e' AND d.objid = coalesce(r.oid, t.oid)
                      AND d.classid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_type'::regclass))
 ORDER BY coalesce((SELECT max(level) FROM depth d WHERE d.oid = c.conrelid), 0), c.oid
"""
GENERATED: Final = """
WITH RECURSIVE calling (classid, objid) AS (SELECT * FROM unnest(%(classes)s::oid[], %(oids)s::oid[]))
SELECT r.oid::bigint, n.nspname::text, r.relname::text, a.attname::text, pg_catalog.pg_get_expr(f.adbin, f.adrelid),
       (SELECT min(b.attname::text) FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute b
            ON b.attrelid = d.refobjid AND b.attnum = d.refobjsubid
         WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid AND d.refobjid = r.oid
           AND d.refclassid = 'pg_catalog.pg_class'::regclass AND b.attgenerated = '' AND b.attidentity <> 'a')
  FROM pg_catalog.pg_attrdef f JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
  JOIN pg_catalog.pg_class r ON r.oid = f.adrelid JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
 WHERE a.attgenerated = 's' AND r.relkind = 'r'
   AND ('pg_catalog.pg_attrdef'::regclass, f.oid) IN (SELECT classid, objid FROM calling)
 ORDER BY 1, a.attnum
"""
PARTITIONED: Final = """
WITH RECURSIVE calling (classid, objid) AS (SELECT * FROM unnest(%(classes)s::oid[], %(oids)s::oid[]))
SELECT partrelid::bigint FROM pg_catalog.pg_partitioned_table
 WHERE partexprs IS NOT NULL AND ('pg_catalog.pg_class'::regclass, partrelid) IN (SELECT classid, objid FROM calling)
"""

INSIDE: Final = """
WITH RECURSIVE reaching (type, domain, is_inside) AS (
    SELECT contypid, contypid, false FROM pg_catalog.pg_constraint
     WHERE contype = 'c' AND contypid >= 16384 AND oid = ANY (%(checks)s::oid[])
    UNION
    SELECT t.oid, r.domain, r.is_inside OR t.typtype <> 'd' FROM reaching r JOIN pg_catalog.pg_type t ON t.oid >= 16384
     WHERE r.type IN (t.typbasetype, t.typelem)
        OR EXISTS (SELECT FROM pg_catalog.pg_range g WHERE g.rngsubtype = r.type AND t.oid = g.rngtypid)
        OR EXISTS (SELECT FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = t.typrelid AND a.atttypid = r.type AND a.attnum > 0 AND NOT a.attisdropped)
), columns AS (
    SELECT c.oid, r.domain, r.is_inside FROM reaching r JOIN pg_catalog.pg_attribute a ON a.atttypid = r.type
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
     WHERE c.relkind IN ('r', 'p', 'm') AND a.attnum > 0 AND NOT a.attisdropped
)
SELECT DISTINCT oid::bigint FROM columns WHERE domain IN (SELECT domain FROM columns WHERE is_inside)
"""
"""Tables with values of a domain that is also used in an array, composite or range, so its CHECK can't be added later."""


@dataclass(frozen=True)
class Check:
    """A CHECK constraint of a table or a domain."""

    oid: int
    schema: str
    owner: str
    """The name of the table or domain."""
    name: str
    is_of_domain: bool
    definition: str
    comment: str | None
    condition: str

    @property
    def key(self) -> str:
        return f"2606/{self.oid}"

    @property
    def of(self) -> sql.Composed:
        """`TABLE …` or `DOMAIN …`."""
        kind = sql.SQL("DOMAIN {}" if self.is_of_domain else "TABLE {}")
        return kind.format(sql.Identifier(self.schema, self.owner))

    @property
    def label(self) -> str:
        return f"CHECK {sql.Identifier(self.name).as_string()} of {self.of.as_string()}"


@dataclass(frozen=True)
class Generated:
    """A stored generated column."""

    table: int
    schema: str
    table_name: str
    name: str
    expression: str
    made_from: str | None
    """An updatable column that the expression uses."""

    @property
    def label(self) -> str:
        return sql.Identifier(self.schema, self.table_name, self.name).as_string()


@dataclass(frozen=True)
class Elsewhere:
    """All such expressions of one database. Checks of parents come before those of their children."""

    indexes: frozenset[tuple[int, int]]
    """Class and oid. Includes constraints that have an index."""
    checks: tuple[Check, ...]
    generated: tuple[Generated, ...]
    partitioned: frozenset[int]
    """Tables whose partitions depend on a function."""
    self_reading: frozenset[int]
    """Views that read themselves, which SQL can't create."""
    checked_at_once: frozenset[int] = frozenset()
    """Tables with rows that a domain's CHECK, which can't be added later, checks as they arrive."""

    @property
    def tables(self) -> frozenset[int]:
        """Tables that are filled after all others."""
        return frozenset(one.table for one in self.generated) | self.checked_at_once

    def without(self, excluded: Excluded) -> Elsewhere:
        """A domain is only left out with its schema."""
        checks = (
            one
            for one in self.checks
            if one.schema not in excluded.schemas and (one.is_of_domain or not excluded.has(one.schema, one.owner))
        )
        generated = (one for one in self.generated if not excluded.has(one.schema, one.table_name))
        return replace(self, checks=tuple(checks), generated=tuple(generated))

    def __bool__(self) -> bool:
        return bool(self.indexes or self.checks or self.generated or self.partitioned)


async def read_elsewhere(connection: Connection, skip_schemas: tuple[str, ...]) -> Elsewhere:
    """Reads in the caller's transaction and sees its snapshot. The search_path must be empty."""
    calling = await (await connection.execute(CALLING)).fetchall()
    chosen = {
        "classes": [kind for kind, _ in calling],
        "oids": [oid for _, oid in calling],
        "schemas": list(skip_schemas),
    }
    indexes = await (await connection.execute(INDEXES, chosen)).fetchall()
    await connection.execute("SET LOCAL quote_all_identifiers = on")
    checks = await (await connection.execute(CHECKS, chosen)).fetchall()
    generated = await (await connection.execute(GENERATED, chosen)).fetchall()
    await connection.execute("SET LOCAL quote_all_identifiers = off")
    partitioned = await (await connection.execute(PARTITIONED, chosen)).fetchall()
    self_reading = await (await connection.execute(SELF_READING)).fetchall()
    inside = await (await connection.execute(INSIDE, {"checks": [oid for oid, *_ in checks]})).fetchall()
    return Elsewhere(
        frozenset((kind, oid) for kind, oid in indexes), tuple(Check(*row) for row in checks),
        tuple(Generated(*row) for row in generated), frozenset(oid for (oid,) in partitioned),
        frozenset(oid for (oid,) in self_reading), frozenset(oid for (oid,) in inside),
    )  # fmt: skip
