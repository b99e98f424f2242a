"""Rows that break a CHECK which PostgreSQL believes to be valid: its function was replaced, or time has passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import psycopg
from psycopg import sql

from changeover.changeovers.checks.domains import OF_DOMAINS, OfDomain
from changeover.changeovers.checks.finding import Answer, Answers, check, counted, failed, named, passed, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.scanning import first_of, scan, what_was_not_found

WITHIN_S = 5.0
"""For all CHECKs of a database. Those of small tables come first."""
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
"""What a CHECK of PostgreSQL's own functions must have to give another answer later. Other CHECKs hold what they promise."""


class Examined(Protocol):
    """A CHECK as this file looks at it."""

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
    """A CHECK of a table that may give another answer today than when its rows were written."""

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
    """Its functions and domains belong to superusers or to our login. Others are not run: they would have our rights."""

    @property
    def label(self) -> str:
        return f"{self.shown_name} of {self.shown_table}"

    @property
    def query(self) -> sql.Composed:
        """Lists the rows that the CHECK refuses. NULL is no refusal.

        With a plain NOT, the planner would conclude from the constraint that a partition has no such rows, and skip it.
        """
        return sql.SQL("SELECT * FROM {} WHERE coalesce(NOT ({}), false)").format(
            sql.SQL("ONLY {}" if self.is_of_table_alone else "{}").format(sql.Identifier(self.schema, self.table)),
            sql.SQL(self.expression),  # PostgreSQL's own text of it
        )

    @property
    def probe(self) -> sql.Composed:
        return first_of(self.query)

    @property
    def fix(self) -> str:
        table, name = self.shown_table, self.shown_name
        return (
            "Correct the rows on the source, or let the constraint be moved without being checked: "
            f"ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {self.definition} NOT VALID;"
        )


@check("C33", "No rows break a valid check constraint")
async def conditions(look: Look) -> Answers:
    every: list[Examined] = [Condition(*row) for row in await look.source.rows(_CHECKS, changing=CHANGING)]
    every += [OfDomain(*row) for row in await look.source.rows(OF_DOMAINS, changing=CHANGING)]
    found = await scan(look.source, [one for one in every if one.is_readable and one.is_trusted], within_s=WITHIN_S)
    for one in found.broken:
        yield failed(
            f"On the source, rows break the check constraint {one.label}, which is marked as valid.",
            "They were accepted when they were written. The target would refuse them today.",
            one.fix, f"{one.query.as_string()};",
        )  # fmt: skip
    for one, refused in found.refused:
        yield _not_evaluated(one, refused)
    left = [one for one in every if not (one.is_readable and one.is_trusted)] + found.not_examined
    if left:
        yield _not_examined(left, len(every))
    elif not found.broken and not found.refused:
        yield passed(
            f"{counted(len(every), 'check constraint')} that could give another answer today; no row breaks one."
        )


def _not_evaluated(one: Examined, refused: psycopg.Error) -> Answer:
    """Only the kind of error, where its text may quote a row."""
    if lacks := what_was_not_found(refused):
        return failed(
            f"On the source, the check constraint {one.label} can't be evaluated without a search path: {lacks}.",
            "The target is built without one, and would refuse the constraint, or an index of its table.",
            "Give its functions what they need: ALTER FUNCTION … SET search_path = public, pg_temp;",
            f"SET search_path = pg_catalog; {one.query.as_string()};",
        )  # fmt: skip
    return warning(
        f"On the source, the check constraint {one.label} could not be evaluated (SQLSTATE {refused.sqlstate or 'unknown'}).",
        "A function that it calls failed for a row, or needs a search_path. On the target it may fail as well.",
        "Give its functions what they need: ALTER FUNCTION … SET search_path = public, pg_temp;",
        f"{one.query.as_string()};",
    )


def _not_examined(left: Sequence[Examined], total: int) -> Answer:
    return warning(
        f"Not examined for rows that break them: {counted(len(left), 'check constraint')} of {total}: "
        f"{named(one.label for one in left)}.",
        f"The check reads rows for {WITHIN_S:.0f} s at most, small tables first, and only what the login may read. It runs "
        "functions only if a superuser or the login owns them.",
        "Run the query as a role that you trust these functions with.",
        f"{left[0].query.as_string()};",
    )
