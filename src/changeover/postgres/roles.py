"""Login roles. Passwords are hashed on the client, so they never appear in a server's log."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

import psycopg
from psycopg import sql

from changeover.postgres.configuration import FOLLOWERS
from changeover.postgres.connect import Connection

WATCHING_RIGHTS = ("pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_signal_backend")
"""What the owner of a whole server may do outside its database: see and end every session."""


async def create_login(
    connection: Connection,
    role: str,
    password: str,
    *,
    connection_limit: int | None = None,
    right: Literal["NOREPLICATION", "REPLICATION"] = "NOREPLICATION",
) -> None:
    """A role that can only log in. An existing role gets this password and limit."""
    exists = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
    verb = sql.SQL("ALTER" if exists.rowcount else "CREATE")
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    await connection.execute(
        sql.SQL(
            "{verb} ROLE {role} LOGIN NOSUPERUSER {right} NOCREATEROLE NOCREATEDB "
            "CONNECTION LIMIT {limit} PASSWORD {verifier}"
        ).format(
            verb=verb,
            right=sql.SQL(right),
            role=sql.Identifier(role),
            limit=sql.Literal(-1 if connection_limit is None else connection_limit),
            verifier=sql.Literal(verifier),
        )
    )


async def grant_watching_rights(connection: Connection, role: str) -> None:
    """Let the role see all statistics and end other sessions. Only for a server that belongs to it alone."""
    rights = sql.SQL(", ").join(map(sql.Identifier, WATCHING_RIGHTS))
    await connection.execute(sql.SQL("GRANT {} TO {}").format(rights, sql.Identifier(role)))


async def let_replicate(connection: Connection, role: str, password: str) -> None:
    """A role for one follower. It may replicate over the socket and can't log in to a database. Safe to repeat."""
    group = sql.Identifier(FOLLOWERS)
    exists = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [FOLLOWERS])
    if not exists.rowcount:
        with suppress(
            psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation
        ):  # created concurrently for another follower
            await connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(group))
    await create_login(connection, role, password, right="REPLICATION")
    await connection.execute(sql.SQL("GRANT {} TO {}").format(group, sql.Identifier(role)))


async def replicating_roles(connection: Connection) -> list[str]:
    """The roles that `let_replicate` created. A promoted follower has those of its former leader."""
    found = await connection.execute(
        "SELECT member.rolname FROM pg_auth_members JOIN pg_roles AS member ON member.oid = pg_auth_members.member"
        " WHERE roleid = (SELECT oid FROM pg_roles WHERE rolname = %s) ORDER BY 1",
        [FOLLOWERS],
    )
    return [row[0] for row in await found.fetchall()]


async def drop_role(connection: Connection, role: str) -> None:
    """Drop the role. Does nothing if it is gone. Fails while it owns something."""
    await connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


async def scram_verifiers(connection: Connection, roles: Sequence[str]) -> dict[str, str]:
    """The stored SCRAM verifiers of those roles that can log in with one. A follower has its leader's."""
    found = await connection.execute(
        "SELECT rolname, rolpassword FROM pg_authid"
        " WHERE rolname = ANY(%s) AND rolcanlogin AND rolpassword LIKE 'SCRAM-SHA-256$%%'",
        [list(roles)],
    )
    return dict(await found.fetchall())
