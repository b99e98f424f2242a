"""CHECKs of domains, each in the columns that use the domain. conditions.py queries their rows."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from changeover.changeovers.checks.scanning import first_of

OF_DOMAINS = """
, inside AS (
    WITH RECURSIVE nested (domain, type, is_array) AS (
        SELECT oid, oid, false FROM pg_type WHERE typtype = 'd'
        UNION SELECT i.domain, t.oid, i.is_array OR t.typcategory = 'A'
                FROM nested i JOIN pg_type t ON t.typtype = 'd' AND t.typbasetype = i.type
                  OR t.typcategory = 'A' AND t.typelem = i.type AND NOT i.is_array
    ) SELECT * FROM nested
), bases AS (
    WITH RECURSIVE below (domain, type, modifier) AS (
        SELECT oid, typbasetype, typtypmod FROM pg_type WHERE typtype = 'd'
        UNION ALL SELECT b.domain, t.typbasetype, greatest(b.modifier, t.typtypmod)
                    FROM below b JOIN pg_type t ON t.oid = b.type AND t.typtype = 'd'
    ) SELECT below.* FROM below JOIN pg_type t ON t.oid = below.type WHERE t.typtype <> 'd'
)
SELECT mine.nspname::text, mine.relname::text, a.attname::text, inside.is_array, format_type(bases.type, bases.modifier),
       quote_ident(homes.nspname) || '.' || quote_ident(d.typname), quote_ident(con.conname),
       mine.name || '.' || quote_ident(a.attname), pg_get_constraintdef(con.oid), pg_get_expr(con.conbin, 0),
       has_column_privilege(mine.oid, a.attnum, 'SELECT'), coalesce(used.is_trusted, true)
  FROM pg_constraint con JOIN pg_type d ON d.oid = con.contypid AND d.typtype = 'd' JOIN homes ON homes.oid = d.typnamespace
  JOIN bases ON bases.domain = d.oid JOIN inside ON inside.domain = d.oid
  JOIN pg_attribute a ON a.atttypid = inside.type AND NOT a.attisdropped AND a.attnum > 0
  JOIN mine ON mine.oid = a.attrelid AND mine.relkind = 'r'
 CROSS JOIN LATERAL (
       SELECT count(*) AS number, bool_and(owner.rolsuper OR owner.rolname = current_user) AS is_trusted
         FROM pg_depend n LEFT JOIN pg_operator o ON n.refclassid = 'pg_operator'::regclass AND o.oid = n.refobjid
         JOIN pg_proc p ON p.oid = CASE WHEN n.refclassid = 'pg_proc'::regclass THEN n.refobjid ELSE o.oprcode END
         JOIN pg_roles owner ON owner.oid = p.proowner
        WHERE n.classid = 'pg_constraint'::regclass AND n.objid = con.oid) used
 WHERE con.contype = 'c' AND con.convalidated AND (used.number > 0 OR pg_get_constraintdef(con.oid) ~* %(changing)s)
 ORDER BY mine.relpages, 1, 2, 3, 7"""
"""One row for each CHECK and column."""


@dataclass(frozen=True)
class OfDomain:
    """A CHECK of a domain in one column whose values or elements have that domain."""

    schema: str
    table: str
    column: str
    is_array: bool
    base: str
    """The type below all domains, as used in CAST."""
    domain: str
    name: str
    shown_column: str
    definition: str
    expression: str
    is_readable: bool
    is_trusted: bool

    @property
    def label(self) -> str:
        return f"{self.name} of the domain {self.domain}, in {self.shown_column}"

    @property
    def query(self) -> sql.Composed:
        """The expression calls the value VALUE, so the query has a column with that name."""
        values = sql.SQL("unnest({})" if self.is_array else "{}").format(sql.Identifier(self.column))
        return sql.SQL(
            "SELECT * FROM (SELECT ctid, ({})::{} AS value FROM ONLY {}) one WHERE coalesce(NOT ({}), false)"
        ).format(
            values,
            sql.SQL(self.base),  # printed by format_type
            sql.Identifier(self.schema, self.table),
            sql.SQL(self.expression),  # as PostgreSQL prints it
        )

    @property
    def probe(self) -> sql.Composed:
        return first_of(self.query)

    @property
    def fix(self) -> str:
        return (
            "Correct the rows on the source, or let the constraint be moved unchecked: "
            f"ALTER DOMAIN {self.domain} DROP CONSTRAINT {self.name}; "
            f"ALTER DOMAIN {self.domain} ADD CONSTRAINT {self.name} {self.definition} NOT VALID;"
        )
