"""Statements that are tried on the target and undone: what a server refuses often shows only so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import sql

from changeover.postgres.connect import Connection


@asynccontextmanager
async def room_to_try(connection: Connection) -> AsyncIterator[None]:
    """A transaction with a schema `_changeover_probe` for what is made in it. Nothing of it stays."""
    async with connection.transaction(force_rollback=True):
        await connection.execute("SET TRANSACTION READ WRITE")
        await connection.execute("CREATE SCHEMA _changeover_probe")
        yield


async def refusal_of(connection: Connection, statement: sql.Composed | bytes) -> psycopg.Error | None:
    """None if the server takes it. Raises where it is the connection that failed."""
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
