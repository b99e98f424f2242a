"""Finds rows that violate a CHECK marked as valid, because its function was replaced or time has passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import psycopg
from psycopg import sql

from changeover.changeovers.checks.domains import OF_DOMAINS, OfDomain
from changeover.changeovers.checks.finding import Answer, Answers, check, failed, named, passed, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.scanning import first_of, scan, what_was_not_found
from changeover.quantities import counted

WITHIN_S = 5.0
"""For all CHECKs of a database, small tables first."""
_CHECKS = """
SELECT mine.nspname::text, mine.relname::text, con.conname::text, con.connoinherit,
       mine.name, quote_ident(con.conname), pg_get_constraintdef(con.oid), pg_get_expr(con.conbin, con.conrelid),
       has_table_privilege(mine.oid, 'SELECT'), coalesce(used.is_trusted, true)
  FROM mine JOIN pg_constraint con ON con.conrelid = mine.oid AND con.contype = 'c' AND con.convalidated
 CROSS JOIN LATERAL (
       SELECT count(*) AS number,
              bool_and(owner.rolsuper OR owner.rolname = current_user) AS is_trusted
         FROM pg_depend d
         LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
         LEFT JOIN pg_type t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid AND t.typtype = 'd'
         LEFT JOIN pg_proc p ON p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode END
         JOIN pg_roles owner ON owner.oid = coalesce(p.proowner, t.typowner)
        WHERE d.classid = 'pg_constraint'::regclass AND d.objid = con.oid) used
 WHERE con.coninhcount = 0 AND mine.relkind IN ('r', 'p')
   AND (used.number > 0 OR pg_get_constraintdef(con.oid) ~* %(changing)s)
 ORDER BY mine.relpages, 1, 2, 3"""
CHANGING = (
    r"\m(now|age|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|random|current_setting|current_database"
    r"|current_schemas?|to_char|to_timestamp|nextval|txid_current|pg_\w+)\("
    r"|\m(CURRENT_\w+|LOCALTIME|LOCALTIMESTAMP|SESSION_USER|USER)\M|'(now|today|tomorrow|yesterday)'|COLLATE|::reg"
)
"""A CHECK with only built-in functions must match this to change its result later. Others can't be violated."""


class Examined(Protocol):
    """A CHECK of a table or a domain."""

    @property
    def label(self) -> str: ...
    @property
    def query(self) -> sql.Composed: ...
    @property
    def probe(self) -> sql.Composed: ...
    @property
    def fix(self) -> str: ...
    @property
    def is_readable(self) -> bool: ...
    @property
    def is_trusted(self) -> bool: ...


@dataclass(frozen=True)
class Condition:
    """A CHECK of a table whose result may have changed since its rows were written."""

    schema: str
    table: str
    name: str
    is_of_table_alone: bool
    shown_table: str
    shown_name: str
    definition: str
    expression: str
    is_readable: bool
    is_trusted: bool
    """Its functions and domains belong to superusers or to our login. Others are not run, because they would have our rights."""

    @property
    def label(self) -> str:
        return f"{self.shown_name} of {self.shown_table}"

    @property
    def query(self) -> sql.Composed:
        """Lists the rows that violate the CHECK. NULL is no violation.

        With a plain NOT, the planner would infer from the constraint that a partition has no such rows, and skip it.
        """
        return sql.SQL("SELECT * FROM {} WHERE coalesce(NOT ({}), false)").format(
            sql.SQL("ONLY {}" if self.is_of_table_alone else "{}").format(sql.Identifier(self.schema, self.table)),
            sql.SQL(self.expression),  # as PostgreSQL prints it
        )

    @property
    def probe(self) -> sql.Composed:
        return first_of(self.query)

    @property
    def fix(self) -> str:
        table, name = self.shown_table, self.shown_name
        return (
            "Correct the rows on the source, or let the constraint be moved unchecked: "
            f"ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {self.definition} NOT VALID;"
        )


@check("C33", "No rows violate a valid check constraint")
async def conditions(look: Look) -> Answers:
    every: list[Examined] = [Condition(*row) for row in await look.source.rows(_CHECKS, changing=CHANGING)]
    every += [OfDomain(*row) for row in await look.source.rows(OF_DOMAINS, changing=CHANGING)]
    found = await scan(look.source, [one for one in every if one.is_readable and one.is_trusted], within_s=WITHIN_S)
    for one in found.broken:
        yield failed(
            f"On the source, rows violate the check constraint {one.label}, which is marked as valid.",
            "They were accepted when they were written. The target would refuse them now.",
            one.fix, f"{one.query.as_string()};",
        )  # fmt: skip
    for one, refused in found.refused:
        yield _not_evaluated(one, refused)
    left = [one for one in every if not (one.is_readable and one.is_trusted)] + found.not_examined
    if left:
        yield _not_examined(left, len(every))
    elif not found.broken and not found.refused:
        yield passed(f"{counted(len(every), 'check constraint')} whose result may have changed; no row violates one.")


def _not_evaluated(one: Examined, refused: psycopg.Error) -> Answer:
    """Shows only the kind of error if its text may contain values of a row."""
    if lacks := what_was_not_found(refused):
        return failed(
            f"On the source, the check constraint {one.label} can't be evaluated without a search path: {lacks}.",
            "The target is built without one, and would refuse the constraint, or an index of its table.",
            "Set a search path for its functions: ALTER FUNCTION … SET search_path = public, pg_temp;",
            f"SET search_path = pg_catalog; {one.query.as_string()};",
        )  # fmt: skip
    return warning(
        f"On the source, the check constraint {one.label} could not be evaluated (SQLSTATE {refused.sqlstate or 'unknown'}).",
        "A function that it calls failed for a row, or needs a search_path. It may also fail on the target.",
        "Set a search path for its functions: ALTER FUNCTION … SET search_path = public, pg_temp;",
        f"{one.query.as_string()};",
    )


def _not_examined(left: Sequence[Examined], total: int) -> Answer:
    return warning(
        f"Not searched for violating rows: {counted(len(left), 'check constraint')} of {total}: "
        f"{named(one.label for one in left)}.",
        f"The check reads rows for at most {WITHIN_S:.0f} s, small tables first, and only what the login may read. It only runs "
        "functions that belong to a superuser or the login.",
        "Run the query as a role with which you trust these functions.",
        f"{left[0].query.as_string()};",
    )
