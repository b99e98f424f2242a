"""Expressions of indexes and generated columns. A target is built with an empty search path, which breaks some functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from psycopg import sql

from changeover.changeovers.checks.finding import Answer, Answers, check, failed, named, passed, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.scanning import scan, what_was_not_found
from changeover.quantities import counted

WITHIN_S = 3.0
_EXPRESSIONS = """
SELECT mine.nspname::text, mine.relname::text, built.label, built.expression, built.fix, used.functions, used.of_extension,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = mine.oid AND a.attnum > 0 AND NOT a.attisdropped
              ORDER BY a.attnum),
       ARRAY(SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
              WHERE a.attrelid = mine.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
  FROM (SELECT i.indrelid AS relation, 'pg_class'::regclass AS classid, i.indexrelid AS objid, 'index ' || of_index.name AS label,
               concat_ws(', ', pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid)) AS expression,
               'DROP INDEX ' || of_index.name AS fix
          FROM pg_index i JOIN mine of_index ON of_index.oid = i.indexrelid
         WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
        UNION ALL
        SELECT d.adrelid, 'pg_attrdef'::regclass, d.oid, 'generated column ' || mine.name || '.' || quote_ident(a.attname),
               pg_get_expr(d.adbin, d.adrelid), format('ALTER TABLE %%s DROP COLUMN %%I', mine.name, a.attname)
          FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attgenerated <> ''
          JOIN mine ON mine.oid = d.adrelid) built
  JOIN mine ON mine.oid = built.relation AND mine.relkind IN ('r', 'm')
 CROSS JOIN LATERAL (
       SELECT array_agg(DISTINCT p.oid::regprocedure::text) AS functions,
              bool_or((p.tableoid, p.oid) IN (SELECT classid, objid FROM brought)) AS of_extension,
              bool_and(owner.rolsuper OR owner.rolname = current_user) AS is_trusted
         FROM pg_depend d LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
         JOIN pg_proc p ON p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode END
         JOIN pg_roles owner ON owner.oid = p.proowner
        WHERE d.classid = built.classid AND d.objid = built.objid) used
 WHERE used.is_trusted AND has_table_privilege(mine.oid, 'SELECT')
 ORDER BY mine.relpages, 3"""


@dataclass(frozen=True, eq=False)
class Expression:
    """Of an index with its predicate, or of a generated column. Its functions belong to superusers or to our login."""

    schema: str
    table: str
    label: str
    expression: str
    removal: str
    functions: list[str]
    calls_extension: bool
    columns: list[str]
    types: list[str]
    """Of the columns, as used in CAST."""

    @property
    def value(self) -> sql.Composed:
        """The value for one row. An SQL function is parsed even if the table is empty."""
        return sql.SQL("SELECT ROW({}) AS value FROM ONLY {} LIMIT 1").format(
            sql.SQL(self.expression),  # as PostgreSQL prints it
            sql.Identifier(self.schema, self.table),
        )

    @property
    def probe(self) -> sql.Composed:
        """Returns no row, but still computes the value."""
        return sql.SQL("SELECT 1 FROM ({}) one HAVING count(one.value) < 0").format(self.value)

    @property
    def alone(self) -> Alone:
        return Alone(self)

    @property
    def fix(self) -> str:
        if self.calls_extension:  # dumps lack changes to an extension's functions
            return f"On the source: {self.removal}; and create it on the target after the move."
        settled = f"ALTER FUNCTION {self.functions[0]} SET search_path = public, pg_temp;"
        return f"On the source: {settled} with the schemas that the function needs."


@dataclass(frozen=True)
class Alone:
    """An expression without its table, because a query of a table makes the server read the expressions of all its indexes."""

    expression: Expression

    @property
    def label(self) -> str:
        return self.expression.label

    @property
    def probe(self) -> sql.Composed:
        """For a row of NULLs that the planner does not recognize as NULLs, so that SQL functions are parsed."""
        columns = sql.SQL(", ").join(
            sql.SQL("NULL::{} AS {}").format(sql.SQL(kind), sql.Identifier(name))  # printed by format_type
            for name, kind in zip(self.expression.columns, self.expression.types, strict=True)
        )
        return sql.SQL(
            "SELECT 1 FROM (SELECT ROW({}) AS value FROM (SELECT {} OFFSET 0) t) one HAVING count(one.value) < 0"
        ).format(sql.SQL(self.expression.expression), columns)


@check("C38", "Indexes and generated columns can be computed without a search path")
async def expressions(look: Look) -> Answers:
    """Computes one row of each, as the target does. Does not run functions of other roles. C15 reads the text of those."""
    every = [Expression(*row) for row in await look.source.rows(_EXPRESSIONS)]
    found = await scan(look.source, every, within_s=WITHIN_S)
    lacking = [(one, lacks) for one, refused in found.refused if (lacks := what_was_not_found(refused))]
    alone = await scan(look.source, [one.alone for one, _ in lacking], within_s=WITHIN_S)
    by_itself = {one.expression for one, refused in alone.refused if what_was_not_found(refused)}
    for one, lacks in causes(lacking, by_itself):
        yield _fails(one, lacks)
    if found.not_examined:
        yield warning(
            f"Not computed without a search path: {named(one.label for one in found.not_examined)}.",
            f"The check computes one row of each, for {WITHIN_S:.0f} s in total.", "Run the query, which computes one row.",
            f"SET search_path = pg_catalog; {found.not_examined[0].value.as_string()};",
        )  # fmt: skip
    elif not lacking:
        yield passed(f"{counted(len(every), 'expression')} that call functions can be computed.")


def causes(
    lacking: Sequence[tuple[Expression, str]], by_itself: Collection[Expression]
) -> list[tuple[Expression, str]]:
    """Pure. If some of the expressions of one table that lack the same fail `by_itself`, only those are returned."""
    explained = {(one.schema, one.table, lacks) for one, lacks in lacking if one in by_itself}
    return [
        (one, lacks) for one, lacks in lacking if one in by_itself or (one.schema, one.table, lacks) not in explained
    ]


def _fails(one: Expression, lacks: str) -> Answer:
    return failed(
        f"On the source, the {one.label} can't be computed without a search path: {lacks}.",
        f"The target is built without one, but {named(one.functions)} needs one.",
        one.fix, f"SET search_path = pg_catalog; {one.value.as_string()};",
    )  # fmt: skip
