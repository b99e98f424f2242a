"""Checks columns of types such as regproc and regrole, which store object ids but are copied as names."""

from __future__ import annotations

from dataclasses import dataclass, replace

from psycopg import sql

from changeover.changeovers.checks.finding import Answer, Answers, check, failed, named, passed, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.scanning import first_of, scan
from changeover.quantities import counted

WITHIN_S = 5.0
AMBIGUOUS = {"regproc": "to_regproc", "regoper": "to_regoper"}
"""Types whose text has no arguments, so overloaded functions and operators have the same text."""
_COLUMNS = """
SELECT mine.nspname::text, mine.relname::text, a.attname::text, mine.name || '.' || quote_ident(a.attname), t.typname::text,
       has_column_privilege(mine.oid, a.attnum, 'SELECT')
  FROM mine JOIN pg_attribute a ON a.attrelid = mine.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  JOIN pg_type t ON t.oid = a.atttypid
 WHERE mine.relkind = 'r' AND a.atttypid IN ('regproc'::regtype, 'regoper'::regtype, 'regrole'::regtype)
 ORDER BY mine.relpages, 1, 2, 3"""


@dataclass(frozen=True)
class StoredNames:
    """A column whose values may have no unique name on the target. `roles` are those that the target will have."""

    schema: str
    table: str
    column: str
    shown_column: str
    type: str
    is_readable: bool
    roles: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return self.shown_column

    @property
    def query(self) -> sql.Composed:
        """Lists the rows. A dropped object is a number, which every server accepts."""
        column = sql.Identifier(self.column)
        if self.type == "regrole":
            roles = sql.SQL("SELECT oid FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> ALL ({})").format(
                sql.Literal(list(self.roles))
            )
            condition = sql.SQL("{}::oid IN ({})").format(column, roles)
        else:
            condition = sql.SQL(
                "{0}::oid <> 0 AND {0}::text !~ '^[0-9]+$' AND {1}({0}::text) IS DISTINCT FROM {0}"
            ).format(column, sql.SQL(AMBIGUOUS[self.type]))
        return sql.SQL("SELECT * FROM ONLY {} WHERE {}").format(sql.Identifier(self.schema, self.table), condition)

    @property
    def probe(self) -> sql.Composed:
        return first_of(self.query)


@check("C39", "Every name in a row is unique on the target")
async def stored_names(look: Look) -> Answers:
    roles = tuple({role.name for role in (*look.source.moved_roles, *(look.target.roles if look.target else ()))})
    columns = [replace(StoredNames(*row), roles=roles) for row in await look.source.rows(_COLUMNS)]
    if look.target is None:
        columns = [column for column in columns if column.type != "regrole"]
    found = await scan(look.source, [one for one in columns if one.is_readable], within_s=WITHIN_S)
    for column in found.broken:
        yield _found(column)
    left = [*(one for one in columns if not one.is_readable), *(one for one, _ in found.refused), *found.not_examined]
    if left:
        yield warning(
            f"Not searched for names that the target can't resolve: {named(one.label for one in left)}.",
            f"The check reads rows for at most {WITHIN_S:.0f} s, and only what the login may read.",
            "Run the query. If it lists rows, the migration stops at this table.", f"{left[0].query.as_string()};",
        )  # fmt: skip
    elif columns and not found.broken:
        yield passed(
            f"{counted(len(columns), 'column')} with names of functions, operators and roles. All names are unique."
        )


def _found(column: StoredNames) -> Answer:
    if column.type == "regrole":
        return failed(
            f"Rows of {column.label} contain roles that the target does not have and that are not copied.",
            "Rows are copied as text, and the target finds the role by its name.",
            f"Create these roles on the target, or change the column: {_changed(column, 'text')}",
            f"{column.query.as_string()};",
        )
    what, other = ("functions", "regprocedure") if column.type == "regproc" else ("operators", "regoperator")
    return failed(
        f"Rows of {column.label} ({column.type}) contain {what} whose name is not unique.",
        "Rows are copied as text. The text of this type has no arguments, so it is ambiguous.",
        f"On the source: {_changed(column, other)}",
        f"{column.query.as_string()};",
    )


def _changed(column: StoredNames, type_name: str) -> str:
    table, name = sql.Identifier(column.schema, column.table), sql.Identifier(column.column)
    changed = sql.SQL("ALTER TABLE {0} ALTER COLUMN {1} TYPE {2} USING {1}::oid::{2};")
    if type_name == "text":
        changed = sql.SQL("ALTER TABLE {0} ALTER COLUMN {1} TYPE {2};")
    return changed.format(table, name, sql.SQL(type_name)).as_string()
