"""Searches for rows that violate constraints, one constraint after another, within a time limit for all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import psycopg
from psycopg import sql

from changeover.changeovers.checks.side import Side

SMALLEST_S = 0.05
"""With less time left, no further query is started."""
TOGETHER, TOGETHER_S = 25, 1.0
"""How many rules the first query probes, and its time limit."""


NOT_FOUND = frozenset({"3F000", "42703", "42704", "42883", "42P01"})
"""A schema, column, type or operator class, function or operator, table."""


class OutOfTime(Exception):
    """No query was run."""


class Rule(Protocol):
    """A constraint of a table."""

    @property
    def label(self) -> str:
        """For messages: `posts_topic_id_fkey of public.posts`."""

    @property
    def probe(self) -> sql.Composed:
        """A query that returns a row if a row of the table violates the rule."""


AnyRule = TypeVar("AnyRule", bound=Rule)


@dataclass
class Scan(Generic[AnyRule]):
    """The result. `refused` has the server's reason for each rule that could not be evaluated."""

    broken: list[AnyRule] = field(default_factory=list)
    refused: list[tuple[AnyRule, psycopg.Error]] = field(default_factory=list)
    not_examined: list[AnyRule] = field(default_factory=list)


async def scan(side: Side, rules: Sequence[AnyRule], *, within_s: float) -> Scan[AnyRule]:
    """Probe the rules in their order. Rules that were not reached in time are listed as not examined.

    One query probes several rules; if it fails or is slow, each is probed on its own. Rows that row security hides are not
    skipped: such a rule counts as refused. The transaction is read-only and rolled back.
    """
    found: Scan[AnyRule] = Scan()
    ends_at = time.monotonic() + within_s
    async with side.connection.transaction(force_rollback=True):
        await side.connection.execute("SET LOCAL row_security = off")
        for first in range(0, len(rules), TOGETHER):
            some = rules[first : first + TOGETHER]
            try:
                found.broken += await _broken(side, some, min(ends_at - time.monotonic(), TOGETHER_S))
            except psycopg.Error:
                if side.connection.closed:
                    raise
                await _one_by_one(side, some, found, ends_at)
            except OutOfTime:
                found.not_examined += some
    return found


def first_of(rows: sql.Composed) -> sql.Composed:
    """The probe of a rule, from the query that lists the violating rows."""
    return sql.SQL("SELECT 1 FROM ({}) broken LIMIT 1").format(rows)


def what_was_not_found(refused: psycopg.Error) -> str:
    """The server's message, which names an object but no row. Empty if the reason was another one."""
    return (refused.diag.message_primary or "").strip() if refused.sqlstate in NOT_FOUND else ""


async def _one_by_one(side: Side, rules: Sequence[AnyRule], found: Scan[AnyRule], ends_at: float) -> None:
    for rule in rules:
        try:
            found.broken += await _broken(side, [rule], ends_at - time.monotonic())
        except (OutOfTime, psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
            found.not_examined.append(rule)
        except psycopg.Error as refused:
            if side.connection.closed:
                raise
            found.refused.append((rule, refused))


async def _broken(side: Side, rules: Sequence[AnyRule], left_s: float) -> list[AnyRule]:
    """Runs in a savepoint, whose rollback also restores the settings and releases the locks. Raises OutOfTime."""
    if left_s < SMALLEST_S:
        raise OutOfTime
    probes = [
        sql.SQL("SELECT {} WHERE EXISTS ({})").format(sql.Literal(number), rule.probe)
        for number, rule in enumerate(rules)
    ]
    async with side.connection.transaction(force_rollback=True):
        limits = "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', '1s', true)"
        await side.connection.execute(limits, [f"{int(left_s * 1000)}ms"])
        answer = await side.connection.execute(sql.SQL(" UNION ALL ").join(probes))
        return [rules[number] for (number,) in await answer.fetchall()]
