"""Finds the first row of a table that differs by bisection: sums over ever smaller ranges until few rows are left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from changeover.postgres.comparing.comparison import Difference
from changeover.postgres.comparing.expressions import field, printed
from changeover.postgres.comparing.orders import Bound, ByHash, ByKey, Order, Range
from changeover.postgres.comparing.pairs import Pair
from changeover.postgres.comparing.sides import Side, together

FEW = 500
LEAST_TID_SINCE = 14
SHOWN_CHARACTERS = 60
Sums = dict[int, tuple[int, str]]


async def first_difference(source: Side, target: Side, pair: Pair, *, shows_values: bool) -> Difference:
    """The first difference of a pair known to differ. The returned `says` describes that row alone."""
    order: ByKey | ByHash = ByKey(pair) if pair.key else ByHash(pair)
    within = await narrow(source, target, order)
    if isinstance(order, ByHash):
        return await _by_hash(source, target, order, within)
    return await _by_key(source, target, order, within, shows_values=shows_values)


async def narrow(source: Side, target: Side, order: Order) -> Range:
    """The first differing range that has few rows or can't be split further."""
    within, rows, larger = Range(), await _most(source, target, order), source
    while rows > FEW and (bounds := await order.cut(larger, within, rows)):
        here, there = await together(_sums(source, order, within, bounds), _sums(target, order, within, bounds))
        differing = [part for part in here.keys() | there.keys() if here.get(part) != there.get(part)]
        if not differing:
            break
        number = min(differing)
        low = bounds[number - 1] if number else within.low
        high = bounds[number] if number < len(bounds) else within.high
        if Range(low, high) == within:
            break
        on_source, on_target = (side.get(number, (0, ""))[0] for side in (here, there))
        within, rows = Range(low, high), max(on_source, on_target)
        larger = source if on_source >= on_target else target
    return within


async def _most(source: Side, target: Side, order: Order) -> int:
    asked = [sql.SQL("SELECT count(*) ") + order.inside(side, Range()) for side in (source, target)]
    ((here,),), ((there,),) = await together(source.rows(asked[0]), target.rows(asked[1]))
    return max(int(here), int(there))


async def _sums(side: Side, order: Order, within: Range, bounds: list[Bound]) -> Sums:
    place = order.place(side)
    cases = sql.SQL(" ").join(
        sql.SQL("WHEN {} <= {} THEN {}").format(place, order.literal(bound), sql.Literal(number))
        for number, bound in enumerate(bounds)
    )
    part = sql.SQL("CASE {} ELSE {} END").format(cases, sql.Literal(len(bounds)))
    asked = sql.SQL("SELECT {}, count(*), sum({})::text ").format(part, order.pair.hash_on(side))
    found = await side.rows(asked + order.inside(side, within) + sql.SQL(" GROUP BY 1"))
    return {number: (rows, total) for number, rows, total in found}


async def _by_key(source: Side, target: Side, order: ByKey, within: Range, *, shows_values: bool) -> Difference:
    here, there = await together(_listed(source, order, within), _listed(target, order, within))
    pair, missing = order.pair, "nowhere"
    first: Bound | None = None
    for mine, other in _in_step(list(here), list(there)):
        if here.get(mine or ()) == there.get(other or ()) and mine == other:
            continue
        first, missing = (mine, "") if mine == other else (mine, "target") if mine else (other, "source")
        break
    if first is None:
        return Difference(pair.title, "no single row could be identified")
    rows = _range_of(pair.key, list(here) or list(there))
    key = dict(zip(pair.key, first, strict=True))
    if missing:
        return Difference(pair.title, f"a row is missing on the {missing}", rows, key)
    columns, values = await _columns(source, target, order, first, shows_values=shows_values)
    return Difference(pair.title, "a row is different", rows, key, columns, values)


async def _listed(side: Side, order: ByKey, within: Range) -> dict[Bound, str]:
    texts = sql.SQL(", ").join(map(printed, order.pair.key))
    asked = sql.SQL("SELECT ARRAY[{}], {}::text ").format(texts, order.pair.hash_on(side))
    ordered = sql.SQL(" ORDER BY {}").format(sql.SQL(", ").join(order.columns()))
    return {tuple(key): total for key, total in await side.rows(asked + order.inside(side, within) + ordered)}


def _in_step(here: list[Bound], there: list[Bound]) -> Sequence[tuple[Bound | None, Bound | None]]:
    """Aligns two lists that are in the same order. None where one of them lacks an entry."""
    known_here, known_there = set(here), set(there)
    steps: list[tuple[Bound | None, Bound | None]] = []
    mine, other = 0, 0
    while mine < len(here) or other < len(there):
        if mine < len(here) and here[mine] not in known_there:
            steps.append((here[mine], None))
            mine += 1
        elif other < len(there) and there[other] not in known_here:
            steps.append((None, there[other]))
            other += 1
        else:
            steps.append((here[mine], there[other]))
            mine, other = mine + 1, other + 1
    return steps


def _range_of(key: tuple[str, ...], rows: list[Bound]) -> str:
    first, last = (" / ".join(_short(value) for value in bound) for bound in (rows[0], rows[-1]))
    return f"{', '.join(key)} from {first} to {last}"


def _short(value: str) -> str:
    return value if len(value) <= SHOWN_CHARACTERS else value[:SHOWN_CHARACTERS] + "…"


async def _columns(
    source: Side, target: Side, order: ByKey, key: Bound, *, shows_values: bool
) -> tuple[tuple[str, ...], dict[str, tuple[str | None, str | None]]]:
    """The columns whose values differ in a row that both sides have, and these values if requested."""
    names = list(order.pair.source.columns)
    here, there = await together(_looks(source, order, key, names), _looks(target, order, key, names))
    differing = tuple(name for name, mine, other in zip(names, here, there, strict=True) if mine != other)
    if not shows_values or not differing:
        return differing, {}
    shown = await together(*(_values(side, order, key, differing) for side in (source, target)))
    return differing, {name: (mine, other) for name, mine, other in zip(differing, shown[0], shown[1], strict=True)}


async def _looks(side: Side, order: ByKey, key: Bound, names: Sequence[str]) -> tuple[Any, ...]:
    """A digest of each value of one row."""
    encoding = sql.Literal("SQL_ASCII" if side.encoding == "SQL_ASCII" else "UTF8")
    digests = [
        sql.SQL("CASE WHEN num_nulls({}) = 0 THEN encode(sha256(convert_to({}, {})), 'hex') END").format(
            field(name), printed(name), encoding
        )
        for name in names
    ]
    return await _row(side, order, key, digests)


async def _values(side: Side, order: ByKey, key: Bound, names: Sequence[str]) -> tuple[Any, ...]:
    shown = [
        sql.SQL("CASE WHEN num_nulls({}) = 0 THEN left({}, {}) END").format(
            field(name), printed(name), sql.Literal(SHOWN_CHARACTERS)
        )
        for name in names
    ]
    return await _row(side, order, key, shown)


async def _row(side: Side, order: ByKey, key: Bound, values: Sequence[sql.Composable]) -> tuple[Any, ...]:
    is_it = sql.SQL(" AND {} = {}").format(order.place(side), order.literal(key))
    asked = sql.SQL("SELECT ARRAY[{}] ").format(sql.SQL(", ").join(values))
    ((found,),) = await side.rows(asked + order.inside(side, Range()) + is_it)
    return tuple(found)


async def _by_hash(source: Side, target: Side, order: ByHash, within: Range) -> Difference:
    here, there = await together(_counted(source, order, within), _counted(target, order, within))
    nowhere = (0, "")
    first = min(
        place for place in here.keys() | there.keys() if here.get(place, nowhere)[0] != there.get(place, nowhere)[0]
    )
    (on_source, at_source), (on_target, at_target) = here.get(first, nowhere), there.get(first, nowhere)
    where = {f"ctid on the {side}": at for side, at in (("source", at_source), ("target", at_target)) if at}
    says = f"a row without a key occurs {_times(on_source)} on the source and {_times(on_target)} on the target"
    low, high = (within.low or ("the lowest",))[0], (within.high or ("the highest",))[0]
    return Difference(order.pair.title, says, f"hashes of rows from {low} to {high}", where)


async def _counted(side: Side, order: ByHash, within: Range) -> dict[int, tuple[int, str]]:
    at = sql.SQL("min(t.ctid)" if side.major >= LEAST_TID_SINCE else "(array_agg(t.ctid))[1]")
    asked = sql.SQL("SELECT {}, count(*), {}::text ").format(order.place(side), at)
    found = await side.rows(asked + order.inside(side, within) + sql.SQL(" GROUP BY 1"))
    return {place: (rows, at) for place, rows, at in found}


def _times(count: int) -> str:
    return {0: "not at all", 1: "once"}.get(count, f"{count} times")
