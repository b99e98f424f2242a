"""Runs the named statements of `sql/`; each value is a parameter, each row becomes a dataclass.

A file `sql/apps.sql` holds statements headed `-- name: find`; here they are called `apps.find`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any, LiteralString, TypeVar, cast

from psycopg import AsyncConnection, errors
from psycopg.rows import class_row, scalar_row

Row = TypeVar("Row")
Db = AsyncConnection[Any]


@functools.cache
def _statements(file: str) -> dict[str, LiteralString]:
    text = resources.files("changeover.store").joinpath("sql", f"{file}.sql").read_text()
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    # Only our own files come here, never a user's text: what LiteralString stands for.
    return {name: cast(LiteralString, body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def statement(name: str) -> LiteralString:
    """The text of `file.statement`. Raises KeyError for a name that no file has."""
    file, _, wanted = name.partition(".")
    return _statements(file)[wanted]


async def one(db: Db, cls: type[Row], name: str, /, **values: Any) -> Row | None:
    """The first row, or None."""
    async with db.cursor(row_factory=class_row(cls)) as cursor:
        await cursor.execute(statement(name), values)
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
        await cursor.execute(statement(name), values)
        return await cursor.fetchall()


async def values(db: Db, name: str, /, **parameters: Any) -> list[Any]:
    """The first column of all rows."""
    async with db.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(statement(name), parameters)
        return await cursor.fetchall()


async def execute(db: Db, name: str, /, **parameters: Any) -> int:
    """Run it; how many rows it changed."""
    cursor = await db.execute(statement(name), parameters)
    return cursor.rowcount
