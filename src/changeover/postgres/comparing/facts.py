"""Compares facts of two databases one by one. Each difference names both values, unless they may be secret."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from changeover.postgres.comparing.comparison import Difference, Part
from changeover.postgres.comparing.fact_queries import FactQuery
from changeover.postgres.comparing.sides import Side


@dataclass(frozen=True)
class Fact:
    """The value of one fact."""

    value: str
    is_secret: bool


Facts = dict[tuple[str, str], Fact]
"""By the title of an object and the name of the fact."""


async def read_facts(side: Side, queries: Iterable[FactQuery], **values: Any) -> Facts:
    """The facts of one side. A fact without a value is left out."""
    found: Facts = {}
    for query in queries:
        if query.since <= side.major <= query.until:
            for title, fact, value in await side.rows(query.sql.encode(), values):
                if value is not None:
                    found[title, fact] = Fact(value, query.is_secret)
    return found


def compare_facts(part: Part, source: Facts, target: Facts, *, decides: bool = True) -> None:
    """Pure: each unequal fact becomes a difference of the part, or a note if not `decides`."""
    here, there = ({title for title, _ in facts} for facts in (source, target))
    for title in sorted(here ^ there):
        _report(part, Difference(title, f"is missing on the {'target' if title in here else 'source'}"), decides)
    for title, fact in sorted(source.keys() | target.keys()):
        one, other = source.get((title, fact)), target.get((title, fact))
        if title in here & there and one != other:
            _report(part, Difference(title, _says(fact, one, other)), decides)
    part.compared += len(here & there)


def compare_relation_facts(part: Part, source: Facts, target: Facts, *, decides: bool) -> None:
    """Pure: for objects whose definitions are compared too. An index that is invalid only on the source is no difference.

    If not `decides`, another order of columns is a note, and so is a schema public that only the target has.
    """
    named = {one.thing for one in part.differences}
    for title, fact in sorted(source.keys() | target.keys()):
        one, other = source.get((title, fact)), target.get((title, fact))
        if one == other or title in named or (fact == "validity" and other is None):
            continue
        is_note = fact == "order of columns" or (fact == "existence" and one is None)
        _report(part, Difference(title, _says(fact, one, other)), decides or not is_note)


def _says(fact: str, here: Fact | None, there: Fact | None) -> str:
    if here and there and here.is_secret:
        return f"differs in its {fact}"
    if here and there:
        return f"differs in its {fact}: {here.value} on the source, {there.value} on the target"
    has, lacks = ("source", "target") if here else ("target", "source")
    one = here or there
    value = "" if one is None or one.is_secret or one.value in ("", "there") else f" ({one.value})"
    return f"has {fact}{value} on the {has} and not on the {lacks}"


def _report(part: Part, difference: Difference, decides: bool) -> None:
    if decides:
        part.differs(difference)
    else:
        part.notes.append(str(difference))
