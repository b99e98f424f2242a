"""The order in which a table's rows are searched: by key, or by row hash in a table without one. Builds SQL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from changeover.postgres.comparing.expressions import field, printed
from changeover.postgres.comparing.pairs import Pair
from changeover.postgres.comparing.sides import Side

WAYS = 16
LOWEST, HIGHEST = -(2**63), 2**63 - 1
Bound = tuple[str, ...]


@dataclass(frozen=True)
class Range:
    """The rows after `low` up to and including `high`. None: unbounded."""

    low: Bound | None = None
    high: Bound | None = None


class Order(ABC):
    """An order that is the same on both sides, whatever their collations and physical layout."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    @abstractmethod
    def place(self, side: Side) -> sql.Composable:
        """The expression that is compared with bounds."""

    @abstractmethod
    def literal(self, bound: Sequence[str]) -> sql.Composable:
        """A bound as SQL."""

    @abstractmethod
    async def cut(self, side: Side, within: Range, rows: int) -> list[Bound]:
        """At most WAYS - 1 ascending bounds that split a range of about `rows` rows on that side."""

    def inside(self, side: Side, within: Range) -> sql.Composed:
        """FROM and WHERE of the rows in a range."""
        terms: list[sql.Composable] = [self.pair.rows(side)]
        if within.low is not None:
            terms.append(sql.SQL("{} > {}").format(self.place(side), self.literal(within.low)))
        if within.high is not None:
            terms.append(sql.SQL("{} <= {}").format(self.place(side), self.literal(within.high)))
        return sql.SQL(" AND ").join(terms)


class ByKey(Order):
    """Text is ordered by its bytes."""

    def columns(self) -> list[sql.Composable]:
        return [self._in_order(name, field(name)) for name in self.pair.key]

    def _in_order(self, name: str, value: sql.Composable) -> sql.Composable:
        has_collation = self.pair.source.columns[name].has_collation
        return sql.SQL('{} COLLATE "C"').format(value) if has_collation else value

    def place(self, side: Side) -> sql.Composable:
        del side
        columns = sql.SQL(", ").join(self.columns())
        return columns if len(self.pair.key) == 1 else sql.SQL("ROW({})").format(columns)

    def literal(self, bound: Sequence[str]) -> sql.Composable:
        values = []
        for name, value in zip(self.pair.key, bound, strict=True):
            declared = sql.SQL(self.pair.source.columns[name].declared)  # format_type's own
            cast = sql.SQL("CAST({} AS {})").format(sql.Literal(value), declared)
            values.append(self._in_order(name, cast))
        joined = sql.SQL(", ").join(values)
        return joined if len(values) == 1 else sql.SQL("ROW({})").format(joined)

    async def cut(self, side: Side, within: Range, rows: int) -> list[Bound]:
        order = sql.SQL(", ").join(self.columns())
        texts = sql.SQL(", ").join(map(printed, self.pair.key))
        numbered = sql.SQL("SELECT ARRAY[{}], row_number() OVER (ORDER BY {}) ").format(texts, order)
        asked = sql.SQL("SELECT s.key FROM ({}) AS s (key, number) WHERE number % {} = 0 ORDER BY number").format(
            numbered + self.inside(side, within), sql.Literal(1 + rows // WAYS)
        )
        return [tuple(key) for (key,) in await side.rows(asked)]


class ByHash(Order):
    """Equal rows have the same position. A bound is one number."""

    def place(self, side: Side) -> sql.Composable:
        return self.pair.hash_on(side)

    def literal(self, bound: Sequence[str]) -> sql.Composable:
        return sql.SQL("{}::int8").format(sql.Literal(bound[0]))

    async def cut(self, side: Side, within: Range, rows: int) -> list[Bound]:
        del side, rows
        low = int(within.low[0]) if within.low else LOWEST - 1
        high = int(within.high[0]) if within.high else HIGHEST
        bounds = {low + (high - low) * way // WAYS for way in range(1, WAYS)} - {low, high}
        return [(str(bound),) for bound in sorted(bounds)]
