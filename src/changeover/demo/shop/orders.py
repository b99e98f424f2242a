"""The shop's orders in its database. `python -m shop.orders` creates the table."""

from __future__ import annotations

import os

import psycopg

TABLE = """
CREATE TABLE IF NOT EXISTS orders (
    id bigint PRIMARY KEY,
    customer text NOT NULL,
    cents integer NOT NULL,
    ordered_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
ORDER = "INSERT INTO orders (id, customer, cents) VALUES (%s, %s, %s)"

Database = psycopg.Connection[tuple[object, ...]]


def connect() -> Database:
    """Autocommit: when `take` returns, PostgreSQL has acknowledged the order."""
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


def take(database: Database, order: int, customer: str, cents: int) -> None:
    database.execute(ORDER, [order, customer, cents])


if __name__ == "__main__":
    with connect() as database:
        database.execute(TABLE)
