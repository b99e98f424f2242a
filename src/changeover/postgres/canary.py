"""The canary: the first write and read on a new leader, as the app's own role, before anybody else may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import sql

from changeover.errors import CanaryFailed
from changeover.postgres.connect import Connection

TABLE = "CREATE TABLE IF NOT EXISTS _heroku.canary (token text NOT NULL, sung_at timestamptz NOT NULL DEFAULT now())"
PATIENCE_S = 5


async def make_place(connection: Connection, role: str) -> None:
    """Where it sings: an empty table of ours that the role may write to. On the source, so that the target gets it too."""
    await connection.execute(TABLE)
    await connection.execute("TRUNCATE _heroku.canary")
    await connection.execute(sql.SQL("GRANT SELECT, INSERT ON _heroku.canary TO {}").format(sql.Identifier(role)))


@asynccontextmanager
async def connect_as_app(
    *, address: str, port: int, database: str, user: str, password: str, where: str
) -> AsyncIterator[Connection]:
    """As the app would come: by address and password. Raises CanaryFailed."""
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
            fix="The app would not get in either. Mend it, then try again.",
        ) from refused
    async with connection:
        yield connection


async def sing(connection: Connection, token: str) -> None:
    """Write a row and read it back. Raises CanaryFailed."""
    try:
        await connection.execute("INSERT INTO _heroku.canary (token) VALUES (%s)", [token])
        found = await connection.execute("SELECT FROM _heroku.canary WHERE token = %s", [token])
    except psycopg.Error as refused:
        raise CanaryFailed(
            "The first write on the new leader failed.",
            why=" ".join(str(refused).split()),
            fix="Mend what it names; the changeover goes on by itself.",
        ) from refused
    if not found.rowcount:
        raise CanaryFailed("The new leader does not show the first row that was written to it.")
