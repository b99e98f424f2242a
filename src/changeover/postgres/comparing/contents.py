"""Counts and hashes rows on the servers, piece by piece, on both sides concurrently. Only sums are transferred."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from changeover.postgres.comparing.comparison import Difference, Part
from changeover.postgres.comparing.expressions import PROBE, Method
from changeover.postgres.comparing.pairs import Pair, pair_of, pieces
from changeover.postgres.comparing.relations import Relation
from changeover.postgres.comparing.rows import first_difference
from changeover.postgres.comparing.sides import Side, together
from changeover.postgres.progress import Progress, Tell

SEARCHED = 5
"""The number of differing tables in which the first row is searched for. The others are only named."""
RECORD_HASHES_SINCE = 14
Relations = dict[tuple[str, str], Relation]


@dataclass
class Tally:
    """The counts and sums of one table on one side."""

    rows: int = 0
    total: int = 0
    failed: str = ""


@dataclass
class Contents:
    """The tables of both sides during the comparison."""

    part: Part
    connections: int
    is_quick: bool
    shows_values: bool
    tell: Tell
    pairs: list[Pair] = field(default_factory=list)
    tallies: dict[tuple[str, int], Tally] = field(default_factory=dict)
    bytes_done: int = 0
    bytes_total: int = 0
    began: float = 0.0
    seconds: float = 0.0

    async def compare(self, source: Side, target: Side, relations: tuple[Relations, Relations]) -> None:
        """Fill the part. Raises ConnectionLost. Any other server error makes that table unknown."""
        method = "record hashes" if self.is_quick else await choose_method(source, target)
        self.part.how = "counts" if self.is_quick else method
        same_encoding = source.encoding == target.encoding
        for one, other in _shared(self.part, *relations):
            self.pairs.append(pair_of(one, other, method, same_encoding=same_encoding))
        self.bytes_total = sum(pair.source.table_bytes + pair.target.table_bytes for pair in self.pairs)
        self.began = time.monotonic()
        await together(self._read(source), self._read(target))
        self.seconds = time.monotonic() - self.began
        await self._judge(source, target)

    async def _read(self, side: Side) -> None:
        order = sorted(range(len(self.pairs)), key=lambda number: -self.pairs[number].relation(side).table_bytes)
        self.tallies.update({(side.name, number): Tally() for number in order})
        waiting = (
            (number, statement, size)
            for number in order
            for statement, size in pieces(self.pairs[number], side, is_quick=self.is_quick)
        )
        await together(*(self._work(side, waiting) for _ in range(self.connections)))

    async def _work(self, side: Side, waiting: Iterator[tuple[int, sql.Composed, int]]) -> None:
        for number, statement, size in waiting:
            tally = self.tallies[side.name, number]
            if not tally.failed:
                try:
                    ((rows, total),) = await side.rows(statement)
                    tally.rows, tally.total = tally.rows + rows, tally.total + int(total)
                except psycopg.Error as refused:
                    tally.failed = why_unreadable(refused, side)
            self.bytes_done += size
            await self._say(f"{self.pairs[number].title} on the {side.name}")

    async def _say(self, now: str) -> None:
        passed = time.monotonic() - self.began
        rate = self.bytes_done / passed if passed > 1 else None
        left = (self.bytes_total - self.bytes_done) / rate if rate else None
        phase = "count rows" if self.is_quick else "compare rows"
        await self.tell(
            Progress(
                phase,
                now,
                bytes_done=self.bytes_done,
                bytes_total=self.bytes_total,
                bytes_per_s=rate,
                seconds_left=left,
            )
        )

    async def _judge(self, source: Side, target: Side) -> None:
        searched = 0
        for number, pair in enumerate(self.pairs):
            here, there = self.tallies["source", number], self.tallies["target", number]
            if here.failed or there.failed:
                self.part.is_unknown(pair.title, here.failed or there.failed)
                continue
            self.part.compared += 1
            if pair.source.kind == "p":
                self.part.notes.append(f"{pair.title} was compared as a whole: its rows may be in different partitions")
            if (here.rows, here.total) == (there.rows, there.total):
                continue
            says = _says(here, there)
            if pair.is_view:  # each side shows its tables' rows at the time of the refresh
                self.part.notes.append(f"{pair.title} was filled at another time: it {says}")
                continue
            if self.is_quick or searched == SEARCHED:
                self.part.differs(Difference(pair.title, says))
                continue
            searched += 1
            await self._search(source, target, pair, says)

    async def _search(self, source: Side, target: Side, pair: Pair, says: str) -> None:
        await self.tell(Progress("look for the first row that differs", pair.title))
        try:
            found = await first_difference(source, target, pair, shows_values=self.shows_values)
        except psycopg.Error as refused:
            says += f"; the first differing row could not be determined: {' '.join(str(refused).split())}"
            found = Difference(pair.title, "")
        whole = f"{says}; {found.says}" if found.says else says
        self.part.differs(Difference(pair.title, whole, found.rows, found.key, found.columns, found.values))

    @property
    def rows(self) -> int:
        return sum(tally.rows for (side, _), tally in self.tallies.items() if side == "source")

    @property
    def bytes_compared(self) -> int:
        return sum(pair.source.table_bytes for pair in self.pairs)


async def choose_method(source: Side, target: Side) -> Method:
    """The fastest method that gives the same results on both. SQL_ASCII text has no encoding: its bytes are compared."""
    encodings = {source.encoding, target.encoding} - {"SQL_ASCII"}
    if len(encodings) > 1:
        return "digests of text"
    if min(source.major, target.major) < RECORD_HASHES_SINCE:
        return "text hashes"
    here, there = await together(source.rows(PROBE), target.rows(PROBE))
    return "record hashes" if here == there else "digests of text"


def why_unreadable(refused: psycopg.Error, side: Side) -> str:
    said = " ".join(str(refused).split())
    if "row-level security" in said:
        return f"row-level security on the {side.name} hides rows from {side.location.user} ({said})"
    return f"the {side.name} refused: {said}"


def _says(here: Tally, there: Tally) -> str:
    if here.rows != there.rows:
        return f"has {here.rows} rows on the source and {there.rows} on the target"
    return f"has {here.rows} rows on both sides, but not the same ones"


def _shared(part: Part, source: Relations, target: Relations) -> Iterator[tuple[Relation, Relation]]:
    """The relations that both sides have with the same columns. Reports all others."""
    for place in sorted(source.keys() | target.keys()):
        one, other = source.get(place), target.get(place)
        if one is None or other is None:
            part.differs(missing(one, other))
        elif "f" in (one.kind, other.kind):
            part.notes.append(f"{one.title} was not read: its rows are elsewhere")
        elif one.is_populated != other.is_populated:
            part.notes.append(f"{one.title} is not filled on the {'target' if one.is_populated else 'source'}")
        elif not one.is_populated:
            part.notes.append(f"{one.title} is filled on neither side")
        elif columns := one.columns.keys() ^ other.columns.keys():
            name = min(columns)
            side = "target" if name in one.columns else "source"
            part.differs(Difference(one.title, f"has no column {name} on the {side}"))
        else:
            yield one, other


def missing(one: Relation | None, other: Relation | None) -> Difference:
    """The difference for a table that only one side has."""
    title = one.title if one else other.title if other else ""
    return Difference(title, f"is missing on the {'target' if one else 'source'}")
