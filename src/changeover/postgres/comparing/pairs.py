"""A table that both sides have: how its rows are matched and how a piece of it is queried. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from changeover.postgres.comparing.expressions import Method, row_hash
from changeover.postgres.comparing.relations import Relation
from changeover.postgres.comparing.sides import Side

PIECE_BYTES = 256 * 1024 * 1024
TID_RANGES_SINCE = 14
"""Older versions read the whole table to find a range of ctid."""


@dataclass(frozen=True)
class Pair:
    """The same table on the source and on the target, with the same columns."""

    source: Relation
    target: Relation
    key: tuple[str, ...]
    """The columns of a unique index that both have. Empty: rows are matched by content."""
    method: Method

    @property
    def title(self) -> str:
        return self.source.title

    @property
    def is_view(self) -> bool:
        """Whether it is a materialized view, whose rows are derived."""
        return self.source.kind == "m" and self.target.kind == "m"

    def relation(self, side: Side) -> Relation:
        return self.source if side.name == "source" else self.target

    def hash_on(self, side: Side) -> sql.Composable:
        """An int8 over the alias `t`."""
        here, there = (self.source, self.target) if side.name == "source" else (self.target, self.source)
        return row_hash(here, there, self.method, self.key).expression

    def rows(self, side: Side) -> sql.Composed:
        """FROM and the beginning of WHERE: the table without children, and only the user's rows of it."""
        condition = self.source.condition.strip().removeprefix("WHERE").removeprefix("where").strip() or "true"
        only = sql.SQL("" if self.source.kind == "p" else "ONLY ")
        return sql.SQL("FROM {}{} AS t WHERE ({})").format(
            only,
            self.relation(side).identifier,
            sql.SQL(condition),  # the extension's own condition, from its catalog
        )


def pair_of(source: Relation, target: Relation, method: Method, *, same_encoding: bool) -> Pair:
    """The key is the source's first key that the target also has, with the same types."""
    for key in source.keys:
        alike = all(source.columns[name].declared == target.columns[name].declared for name in key)
        plain = same_encoding or not any(source.columns[name].has_collation for name in key)
        if alike and plain and sorted(key) in [sorted(other) for other in target.keys]:
            return Pair(source, target, key, method)
    return Pair(source, target, (), method)


def pieces(pair: Pair, side: Side, *, is_quick: bool) -> Iterator[tuple[sql.Composed, int]]:
    """Statements whose results (rows, sum of hashes) add up to those of the table, each with the bytes it reads."""
    relation = pair.relation(side)
    sums = sql.SQL("0") if is_quick else sql.SQL("coalesce(sum({}), 0)").format(pair.hash_on(side))
    asked = sql.SQL("SELECT count(*), {}::text ").format(sums) + pair.rows(side)
    many = 1 + (relation.main_bytes - 1) // PIECE_BYTES if not is_quick and side.major >= TID_RANGES_SINCE else 1
    blocks = PIECE_BYTES // side.block_bytes
    for number in range(max(1, many)):
        within = sql.SQL("").format()
        if number:
            within += sql.SQL(" AND t.ctid >= {}::tid").format(f"({number * blocks},0)")
        if number + 1 < many:
            within += sql.SQL(" AND t.ctid < {}::tid").format(f"({(number + 1) * blocks},0)")
        yield asked + within, relation.table_bytes // max(1, many)
