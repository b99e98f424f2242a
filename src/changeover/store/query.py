"""Runs the named statements of `sql/`. Values are passed as parameters, and each row becomes a dataclass.

A file `sql/apps.sql` contains statements with headers such as `-- name: find`. This one is called `apps.find`.

No statement uses `*`, because a later version may add columns that this one has no field for. `{columns}` stands for the fields
of the row class, `{apps.columns}` for the same qualified by a table, `{teams.columns but role}` for all except those named.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any, LiteralString, TypeVar, cast

from psycopg import AsyncConnection, errors
from psycopg.rows import class_row, scalar_row

Row = TypeVar("Row")
Db = AsyncConnection[Any]

_COLUMNS = re.compile(r"\{(?:(?P<table>\w+)\.)?columns(?: but (?P<others>[\w, ]+))?\}")


@functools.cache
def _statements(file: str) -> dict[str, LiteralString]:
    text = resources.files("changeover.store").joinpath("sql", f"{file}.sql").read_text()
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    # Only our own files are read here, never a user's text, which is what LiteralString means.
    return {name: cast(LiteralString, body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def statement(name: str) -> LiteralString:
    """The text of `file.statement`. Raises KeyError for an unknown name."""
    file, _, wanted = name.partition(".")
    return _statements(file)[wanted]


def reading(cls: type[Any], name: str) -> LiteralString:
    """The text of a statement that reads exactly the fields of `cls`."""
    return _reading(tuple(field.name for field in dataclasses.fields(cls)), name)


@functools.cache
def _reading(fields: tuple[str, ...], name: str) -> LiteralString:
    def columns(marker: re.Match[str]) -> str:
        others = re.findall(r"\w+", marker["others"] or "")
        prefix = f"{marker['table']}." if marker["table"] else ""
        return ", ".join(f'{prefix}"{field}"' for field in fields if field not in others)

    return _COLUMNS.sub(columns, statement(name))


async def one(db: Db, cls: type[Row], name: str, /, **values: Any) -> Row | None:
    """The first row, or None."""
    async with db.cursor(row_factory=class_row(cls)) as cursor:
        await cursor.execute(reading(cls, name), values)
        return await cursor.fetchone()


async def only(db: Db, cls: type[Row], name: str, /, **values: Any) -> Row:
    """The row of a statement that always has one (INSERT … RETURNING)."""
    row = await one(db, cls, name, **values)
    if row is None:
        raise errors.NoDataFound(f"{name} returned no row")
    return row


async def rows(db: Db, cls: type[Row], name: str, /, **values: Any) -> Sequence[Row]:
    """All rows."""
    async with db.cursor(row_factory=class_row(cls)) as cursor:
        await cursor.execute(reading(cls, name), values)
        return await cursor.fetchall()


async def values(db: Db, name: str, /, **parameters: Any) -> list[Any]:
    """The first column of all rows."""
    async with db.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(statement(name), parameters)
        return await cursor.fetchall()


async def execute(db: Db, name: str, /, **parameters: Any) -> int:
    """Run it and return the number of changed rows."""
    cursor = await db.execute(statement(name), parameters)
    return cursor.rowcount
