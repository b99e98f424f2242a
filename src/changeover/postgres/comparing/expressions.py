"""Turns a row into a number that is equal on both sides if and only if the row is. Pure: builds SQL, runs nothing.

A type's own hash treats values as equal if its `=` does: 1.0 and 1.00, a month and 30 days, -0.0 and 0.0. So a type's own hash
is used only if `=` means equal bytes; other types are hashed as text. A record's hash is a weighted sum of its columns'
hashes, so the sum over a table would not change if two rows exchanged a value. Therefore each row's hash is mixed: seeded with
its key, or hashed once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from changeover.postgres.comparing.relations import Column, Relation

EXACT = frozenset(
    "bool int2 int4 int8 oid bytea uuid date time timetz timestamp timestamptz name char"
    " inet cidr macaddr macaddr8 pg_lsn".split()
)
WORDS = frozenset({"text", "varchar"})
INTEGERS = frozenset({"int2", "int4", "int8"})
MOST_COLUMNS = 1600
"""A row constructor takes at most 1,664."""

Method = Literal["record hashes", "text hashes", "digests of text"]

PROBE = sql.SQL(
    "SELECT hash_record_extended(ROW(true, 1::int2, 2, 3::int8, 4::oid, '\\x00ff'::bytea, DATE '2000-02-29',"
    " 'f47ac10b-58cc-4372-a567-0e02b2c3d479'::uuid, TIME '12:00', TIMETZ '12:00+02', TIMESTAMP '2000-01-01 00:00',"
    " TIMESTAMPTZ '2000-01-01 00:00Z', 'n'::name, 'c'::\"char\", INET '::1', CIDR '10/8', MACADDR '08:00:2b:01:02:03',"
    " MACADDR8 '08:00:2b:01:02:03:04:05', PG_LSN '1/2', 'words'::text COLLATE \"C\", 1.50, NULL::int), 7)::text"
)
"""Servers that return the same value have the same hash functions. These depend on the machine's byte order."""


@dataclass(frozen=True)
class RowHash:
    """The hash for one table on one side. `expression` is an int8 over the alias `t`."""

    expression: sql.Composable
    method: Method


def field(name: str) -> sql.Composable:
    return sql.SQL("t.{}").format(sql.Identifier(name))


def printed(name: str) -> sql.Composable:
    """The result of the type's output function. Never a cast, which users can define."""
    return sql.SQL("concat({})").format(field(name))


def comparable(column: Column, other: Column, *, is_short: bool) -> list[sql.Composable]:
    """Expressions whose hashes distinguish all values of the column that print differently."""
    value = field(column.name)
    if column.base != other.base:
        return [printed(column.name)]
    if column.base in EXACT:
        return [value]
    if column.base in WORDS:
        return [sql.SQL('{} COLLATE "C"').format(value)]
    if column.base == "numeric" and not is_short:
        return [value, sql.SQL("scale({})").format(value)]
    if column.base in ("jsonb", "json"):
        return [sql.SQL('({}::text) COLLATE "C"').format(value)]
    # concat() prints NULL as an empty string, so NULL is kept separate
    return [sql.SQL('CASE WHEN num_nulls({}) = 0 THEN {} END COLLATE "C"').format(value, printed(column.name))]


def row_hash(here: Relation, there: Relation, method: Method, key: tuple[str, ...]) -> RowHash:
    """Gives the same hash on the other side with the arguments exchanged. Columns are matched by name, not position."""
    names = sorted(here.columns)
    if not names:
        return RowHash(sql.SQL("0::int8"), method)
    if method == "record hashes":
        return RowHash(_by_record(here, there, names, key), method)
    text = sql.SQL("(ROW({})::text)").format(sql.SQL(", ").join(map(field, names)))
    if method == "digests of text":
        text = sql.SQL("encode(sha256(convert_to({}, 'UTF8')), 'hex')").format(text)
    return RowHash(sql.SQL('hashtextextended({} COLLATE "C", 0)').format(text), method)


def _by_record(here: Relation, there: Relation, names: list[str], key: tuple[str, ...]) -> sql.Composable:
    for is_short in (False, True):
        values = [
            expression
            for name in names
            for expression in comparable(here.columns[name], there.columns[name], is_short=is_short)
        ]
        if len(values) <= MOST_COLUMNS:
            break
    row = sql.SQL("ROW({})").format(sql.SQL(", ").join(values))
    seeds = [here.columns[name].base for name in key] + [there.columns[name].base for name in key]
    if len(key) == 1 and INTEGERS.issuperset(seeds):
        return sql.SQL("hash_record_extended({}, {}::int8)").format(row, field(key[0]))
    return sql.SQL('hashtextextended(hash_record_extended({}, 0)::text COLLATE "C", 0)').format(row)
