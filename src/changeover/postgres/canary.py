"""The canary: the first write and read on a new leader, as the app's own role, before clients are let in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import sql

from changeover.errors import CanaryFailed
from changeover.postgres.connect import Connection

TABLE = "CREATE TABLE IF NOT EXISTS _heroku.canary (token text NOT NULL, sung_at timestamptz NOT NULL DEFAULT now())"
PATIENCE_S = 5


async def create_table(connection: Connection, role: str) -> None:
    """Create the empty table that the role may write to. Run on the source, so that the target gets it too."""
    await connection.execute(TABLE)
    await connection.execute("TRUNCATE _heroku.canary")
    await connection.execute(sql.SQL("GRANT SELECT, INSERT ON _heroku.canary TO {}").format(sql.Identifier(role)))


@asynccontextmanager
async def connect_as_app(
    *, address: str, port: int, database: str, user: str, password: str, where: str
) -> AsyncIterator[Connection]:
    """Connect by address and password, as the app does. Raises CanaryFailed."""
    try:
        connection = await psycopg.AsyncConnection.connect(
            host=address, port=port, user=user, password=password, dbname=database, autocommit=True,
            connect_timeout=PATIENCE_S, prepare_threshold=None, passfile="/nonexistent",
            application_name="changeover canary",
        )  # fmt: skip
    except psycopg.OperationalError as refused:
        raise CanaryFailed(
            f"The app's role can't log in to {where}.",
            why=" ".join(str(refused).split()),
            fix="The app could not log in either. Fix the reported problem, then try again.",
        ) from refused
    async with connection:
        yield connection


async def probe_as_app(connection: Connection, token: str) -> None:
    """Write a row and read it back. Raises CanaryFailed."""
    try:
        await connection.execute("INSERT INTO _heroku.canary (token) VALUES (%s)", [token])
        found = await connection.execute("SELECT FROM _heroku.canary WHERE token = %s", [token])
    except psycopg.Error as refused:
        raise CanaryFailed(
            "The first write on the new leader failed.",
            why=" ".join(str(refused).split()),
            fix="Fix the reported problem. The changeover then continues automatically.",
        ) from refused
    if not found.rowcount:
        raise CanaryFailed("The new leader does not return the first row that was written to it.")
