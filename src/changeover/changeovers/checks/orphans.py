"""Finds rows that violate a foreign key marked as valid. The target refuses such a key."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from changeover.changeovers.checks.finding import Answers, check, failed, named, passed, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.scanning import first_of, scan
from changeover.quantities import counted

WITHIN_S = 8.0
"""For all foreign keys of a database, small tables first."""
_FOREIGN_KEYS = """
SELECT mine.nspname::text, mine.relname::text, mine.relkind::text, pn.nspname::text, p.relname::text, p.relkind::text,
       con.conname::text, mine.name, quote_ident(con.conname), con.confrelid::regclass::text, con.confmatchtype::text,
       pg_get_constraintdef(con.oid), keys.columns, coalesce(keys.readable, false)
  FROM mine JOIN pg_constraint con ON con.conrelid = mine.oid AND con.contype = 'f' AND con.convalidated
  JOIN pg_class p ON p.oid = con.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
 CROSS JOIN LATERAL (
       SELECT json_agg(json_build_array(a.attname, b.attname, opn.nspname, op.oprname,
                            CASE WHEN a.attcollation <> b.attcollation AND b.attcollation <> 0
                                 THEN (SELECT json_build_array(cn.nspname, c.collname) FROM pg_collation c
                                         JOIN pg_namespace cn ON cn.oid = c.collnamespace WHERE c.oid = b.attcollation)
                            END) ORDER BY k.position),
              bool_and(has_column_privilege(mine.oid, a.attnum, 'SELECT') AND has_column_privilege(p.oid, b.attnum, 'SELECT'))
         FROM ROWS FROM (unnest(con.conkey), unnest(con.confkey), unnest(con.conpfeqop)) WITH ORDINALITY
                   AS k (here, there, operator, position)
         JOIN pg_attribute a ON a.attrelid = mine.oid AND a.attnum = k.here
         JOIN pg_attribute b ON b.attrelid = p.oid AND b.attnum = k.there
         JOIN pg_operator op ON op.oid = k.operator JOIN pg_namespace opn ON opn.oid = op.oprnamespace
       ) keys (columns, readable)
 CROSS JOIN LATERAL (SELECT mine.relpages + coalesce(sum(part.relpages), 0)
                       FROM pg_inherits i JOIN pg_class part ON part.oid = i.inhrelid
                      WHERE i.inhparent = mine.oid AND mine.relkind = 'p') size (pages)
 WHERE con.conparentid = 0 AND NOT coalesce((to_jsonb(con) ->> 'conperiod')::bool, false)
 ORDER BY size.pages, 1, 2, con.conname"""


@dataclass(frozen=True)
class ForeignKey:
    """Queried like PostgreSQL validates it. `columns`: the referencing and the referenced one, the operator, a collation."""

    schema: str
    table: str
    kind: str
    parent_schema: str
    parent: str
    parent_kind: str
    name: str
    shown_table: str
    shown_name: str
    shown_parent: str
    match: str
    definition: str
    columns: list[tuple[str, str, str, str, tuple[str, str] | None]]
    is_readable: bool

    @property
    def label(self) -> str:
        return f"{self.shown_name} of {self.shown_table}"

    @property
    def query(self) -> sql.Composed:
        """Lists the rows without a parent."""
        nulls = " OR " if self.match == "f" else " AND "
        filled = [sql.SQL("c.{} IS NOT NULL").format(sql.Identifier(here)) for here, *_ in self.columns]
        return sql.SQL("SELECT c.* FROM {} c WHERE ({}) AND NOT EXISTS (SELECT FROM {} p WHERE {})").format(
            _only(self.kind, self.schema, self.table), sql.SQL(nulls).join(filled),
            _only(self.parent_kind, self.parent_schema, self.parent),
            sql.SQL(" AND ").join(_equal(*column) for column in self.columns),
        )  # fmt: skip

    @property
    def probe(self) -> sql.Composed:
        return first_of(self.query)

    @property
    def fix(self) -> str:
        """Never loses a row. Foreign keys of a partitioned table can't be NOT VALID before PostgreSQL 18."""
        rows = "Delete or correct the rows on the source"
        drop = f"ALTER TABLE {self.shown_table} DROP CONSTRAINT {self.shown_name}"
        if self.kind == "p":
            return f"{rows}, or drop the constraint: {drop};"
        again = f"ADD CONSTRAINT {self.shown_name} {self.definition} NOT VALID"
        return f"{rows}, or let the constraint be moved unchecked: {drop}, {again};"


@check("C32", "No rows violate a valid foreign key")
async def orphans(look: Look) -> Answers:
    keys = [ForeignKey(*row) for row in await look.source.rows(_FOREIGN_KEYS)]
    readable = [key for key in keys if key.is_readable]
    found = await scan(look.source, readable, within_s=WITHIN_S)
    for key in found.broken:
        yield failed(
            f"On the source, rows violate the foreign key {key.label}, which is marked as valid.",
            f"They refer to rows that {key.shown_parent} doesn't have, so the target would refuse the constraint.",
            key.fix, f"{key.query.as_string()};",
        )  # fmt: skip
    closed = [key for key in keys if not key.is_readable]
    left = [*closed, *(rule for rule, _ in found.refused), *found.not_examined]
    if left:
        yield warning(
            f"Not searched for rows without a parent: {counted(len(left), 'foreign key')} of {len(keys)}: "
            f"{named(rule.label for rule in left)}.",
            f"The check reads rows for at most {WITHIN_S:.0f} s, small tables first, and only what the login may read. "
            "If such rows exist, the migration stops when it creates the constraint.",
            "Run the query if rows may have been changed with triggers disabled.",
            f"{left[0].query.as_string()};",
        )
    elif not found.broken:
        yield passed(f"{counted(len(keys), 'valid foreign key')}; no row violates one.")


def _only(kind: str, schema: str, table: str) -> sql.Composed:
    """A foreign key applies to one table without its child tables, or to all partitions."""
    return sql.SQL("{}" if kind == "p" else "ONLY {}").format(sql.Identifier(schema, table))


def _equal(here: str, there: str, schema: str, operator: str, collation: tuple[str, str] | None) -> sql.Composed:
    collated = sql.SQL(" COLLATE {}").format(sql.Identifier(*collation)) if collation else sql.SQL("")
    parent = sql.SQL("p.{}").format(sql.Identifier(there)) + collated
    equals = sql.SQL("OPERATOR({}.{})").format(sql.Identifier(schema), sql.SQL(operator))
    return sql.SQL(" ").join([parent, equals, sql.SQL("c.{}").format(sql.Identifier(here))])
