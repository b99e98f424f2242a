"""Reads the shop's database directly: which orders it contains."""

from __future__ import annotations

import psycopg

from changeover.demo.shop.orders import TABLE


async def make_table(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as database:
        await database.execute(TABLE)


async def orders_in(url: str) -> set[int]:
    """Every order in the database at `url`."""
    async with await psycopg.AsyncConnection.connect(url) as database:
        rows = await (await database.execute("SELECT id FROM orders")).fetchall()
    return {row[0] for row in rows}


async def lose_one(url: str, order: int) -> None:
    """Sabotage: delete an acknowledged order."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as database:
        await database.execute("DELETE FROM orders WHERE id = %s", [order])
