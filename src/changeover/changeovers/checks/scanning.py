"""Looks for rows that break a rule, constraint by constraint, within a time limit for all of them together."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import psycopg
from psycopg import sql

from changeover.changeovers.checks.side import Side

SMALLEST_S = 0.05
"""With less time left than this, no further query is started."""


class Rule(Protocol):
    """A constraint of a table."""

    @property
    def label(self) -> str:
        """For messages: `posts_topic_id_fkey of public.posts`."""

    @property
    def probe(self) -> sql.Composed:
        """A query that returns a row if a row of the table breaks the rule."""


AnyRule = TypeVar("AnyRule", bound=Rule)


@dataclass
class Scan(Generic[AnyRule]):
    """What was found. `refused` has the server's reason for each rule that could not be evaluated."""

    broken: list[AnyRule] = field(default_factory=list)
    refused: list[tuple[AnyRule, psycopg.Error]] = field(default_factory=list)
    not_examined: list[AnyRule] = field(default_factory=list)


async def scan(side: Side, rules: Iterable[AnyRule], *, within_s: float) -> Scan[AnyRule]:
    """Probe the rules in their order. Rules that the time does not suffice for are listed as not examined.

    Rows that row security hides are not skipped: such a rule counts as refused. The transaction is read-only and rolled back.
    """
    found: Scan[AnyRule] = Scan()
    ends_at = time.monotonic() + within_s
    async with side.connection.transaction(force_rollback=True):
        await side.connection.execute("SET LOCAL row_security = off")
        for rule in rules:
            left_s = ends_at - time.monotonic()
            if left_s < SMALLEST_S:
                found.not_examined.append(rule)
                continue
            try:
                if await _breaks(side, rule, left_s):
                    found.broken.append(rule)
            except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
                found.not_examined.append(rule)
            except psycopg.Error as refused:
                if side.connection.closed:
                    raise
                found.refused.append((rule, refused))
    return found


async def _breaks(side: Side, rule: Rule, left_s: float) -> bool:
    """In a savepoint, which also takes back the settings."""
    async with side.connection.transaction(force_rollback=True):
        limits = "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', '1s', true)"
        await side.connection.execute(limits, [f"{max(1, int(left_s * 1000))}ms"])
        answer = await side.connection.execute(rule.probe)
        return await answer.fetchone() is not None
