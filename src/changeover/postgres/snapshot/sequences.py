"""Copies the state of all sequences: the last value and whether it was already used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psycopg import sql

from changeover.postgres.connect import Connection
from changeover.postgres.excluding import Name
from changeover.postgres.snapshot.schema import naming

AT_ONCE: Final = 100


async def bring_sequences(source: Connection, target: Connection, names: Sequence[Name]) -> None:
    """Reads the current state, not the snapshot's: values used since must not be generated again. Repeatable.

    Raises TransferFailed that names the first sequence of a group that could not be read or set.
    """
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        await _set(target, some, await _read(source, some))


async def _read(source: Connection, names: Sequence[Name]) -> list[tuple[int, bool]]:
    one = sql.SQL("SELECT {}, last_value, is_called FROM {}")
    queries = [one.format(sql.Literal(place), sql.Identifier(*name)) for place, name in enumerate(names)]
    with naming(f"One of the sequences starting with {'.'.join(names[0])}"):
        found = await source.execute(sql.SQL(" UNION ALL ").join(queries) + sql.SQL(" ORDER BY 1"))
        return [(last, is_called) for _, last, is_called in await found.fetchall()]


async def _set(target: Connection, names: Sequence[Name], states: Sequence[tuple[int, bool]]) -> None:
    one = sql.SQL("setval({}::regclass, {}, {})")
    calls = [
        one.format(sql.Literal(sql.Identifier(*name).as_string()), sql.Literal(last), sql.Literal(is_called))
        for name, (last, is_called) in zip(names, states, strict=True)
    ]
    with naming(f"One of the sequences starting with {'.'.join(names[0])}"):
        await target.execute(sql.SQL("SELECT ") + sql.SQL(", ").join(calls))
