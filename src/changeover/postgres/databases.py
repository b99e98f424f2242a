"""Databases inside a server: created for one owner and closed to other roles; dropped with their sessions."""

from __future__ import annotations

from typing import LiteralString

from psycopg import sql

from changeover.postgres import ending, statistics
from changeover.postgres.configuration import SUPERUSER
from changeover.postgres.connect import Address, Connection, connect, fetch_row
from changeover.postgres.roles import create_login, drop_role, grant_watching_rights


async def create_database(
    address: Address, database: str, *, owner: str, password: str, connection_limit: int | None = None, is_alone: bool
) -> None:
    """Create a database that only `owner` can enter. Safe to repeat: existing parts are kept or corrected.

    `is_alone`: the server has no other databases, so the owner may also see and end other sessions.
    """
    async with connect(address, timeout_s=60) as connection:
        # Serialized: all databases share the rights on postgres and template1, and concurrent changes to them would fail.
        await connection.execute("SELECT pg_advisory_lock(hashtext('changeover.create_database'))")
        await create_login(connection, owner, password, connection_limit=connection_limit)
        if is_alone:
            await grant_watching_rights(connection, owner)
        if not await _exists(connection, database):
            await connection.execute(_named("CREATE DATABASE {} OWNER {}", database, owner))
        await connection.execute(_named("REVOKE ALL ON DATABASE {} FROM PUBLIC", database))
        await connection.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
        await connection.execute("REVOKE CONNECT ON DATABASE template1 FROM PUBLIC")
    async with connect(address, database=database, timeout_s=60) as connection:
        await _furnish(connection, owner, is_alone=is_alone)


async def drop_database(address: Address, database: str, owner: str) -> None:
    """End its sessions, then drop the database and its owner. Does nothing if they are gone."""
    async with connect(address, timeout_s=60) as connection:
        await connection.execute(_named("DROP DATABASE IF EXISTS {} WITH (FORCE)", database))
        await drop_role(connection, owner)


async def bytes_of_all(connection: Connection) -> int:
    """The disk space of all databases of the server, without WAL."""
    (size,) = await fetch_row(connection, "SELECT sum(pg_database_size(oid))::bigint FROM pg_database")
    return int(size)


async def end_sessions(address: Address, database: str) -> int:
    """End all client sessions in it except our own. Returns how many were signalled. Raises ServerUnreachable."""
    async with connect(address) as connection:
        return await ending.end(connection, await ending.client_backends(connection, database, but_of=SUPERUSER))


async def end_own_sessions(connection: Connection) -> int:
    """Like `end_sessions` without a superuser: ends the sessions of roles whose rights this one has."""
    return await ending.end(connection, await ending.own_backends(connection))


async def _furnish(connection: Connection, owner: str, *, is_alone: bool) -> None:
    """Create the initial contents: schema public of the owner, schema _heroku, and pg_stat_statements."""
    await connection.execute(_named("ALTER SCHEMA public OWNER TO {}", owner))
    await connection.execute("CREATE SCHEMA IF NOT EXISTS _heroku")
    await connection.execute(_named("GRANT USAGE ON SCHEMA _heroku TO {}", owner))
    if not await _counts_statements(connection):
        return
    await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements WITH SCHEMA public")
    await statistics.let_reset(connection, owner)
    if is_alone:
        await connection.execute(_named("GRANT EXECUTE ON ROUTINE public.pg_stat_statements_reset TO {}", owner))


async def _counts_statements(connection: Connection) -> bool:
    row = await connection.execute(
        "SELECT FROM pg_available_extensions"
        " WHERE name = 'pg_stat_statements' AND current_setting('shared_preload_libraries') ~ 'pg_stat_statements'"
    )
    return row.rowcount > 0


async def _exists(connection: Connection, database: str) -> bool:
    found = await connection.execute("SELECT FROM pg_database WHERE datname = %s", [database])
    return found.rowcount > 0


def _named(statement: LiteralString, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))


async def furnish_server(address: Address) -> None:
    """Create the extension that we need in database `postgres`: pg_walinspect, to count commits in the WAL."""
    async with connect(address, timeout_s=60) as connection:
        found = await connection.execute("SELECT FROM pg_available_extensions WHERE name = 'pg_walinspect'")
        if found.rowcount:
            await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_walinspect WITH SCHEMA public")
