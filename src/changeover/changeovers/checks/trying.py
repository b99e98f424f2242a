"""Tries statements on the target and rolls them back. There is often no other way to find out what a server refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import sql

from changeover.postgres.connect import Connection


@asynccontextmanager
async def room_to_try(connection: Connection) -> AsyncIterator[None]:
    """A transaction with a schema `_changeover_probe` to create objects in. It is rolled back."""
    async with connection.transaction(force_rollback=True):
        await connection.execute("SET TRANSACTION READ WRITE")
        await connection.execute("CREATE SCHEMA _changeover_probe")
        yield


async def refusal_of(connection: Connection, statement: sql.Composed | bytes) -> psycopg.Error | None:
    """None if the server accepts the statement. Raises if the connection was lost."""
    try:
        async with connection.transaction(force_rollback=True):
            await connection.execute(statement)
    except psycopg.Error as refused:
        if connection.closed:
            raise
        return refused
    return None


def in_words(refused: psycopg.Error) -> str:
    return refused.diag.message_primary or "it was refused"
