"""Login roles. Passwords are hashed on our side, so that no log of the server can ever show one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

import psycopg
from psycopg import sql

from changeover.postgres.configuration import FOLLOWERS
from changeover.postgres.connect import Connection

WATCHING_RIGHTS = ("pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_signal_backend")
"""What the owner of a whole server may do beyond its database: see and end every session of it."""


async def create_login(
    connection: Connection,
    role: str,
    password: str,
    *,
    connection_limit: int | None = None,
    right: Literal["NOREPLICATION", "REPLICATION"] = "NOREPLICATION",
) -> None:
    """A role that can log in and nothing else; one that exists gets this password and limit."""
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
    """Let the role see all statistics and end other sessions: only where the whole server is its own."""
    rights = sql.SQL(", ").join(map(sql.Identifier, WATCHING_RIGHTS))
    await connection.execute(sql.SQL("GRANT {} TO {}").format(rights, sql.Identifier(role)))


async def let_replicate(connection: Connection, role: str, password: str) -> None:
    """A role for one follower: it may replicate over the socket, and enters no database. Safe to repeat."""
    group = sql.Identifier(FOLLOWERS)
    exists = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [FOLLOWERS])
    if not exists.rowcount:
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):  # another follower's is as good
            await connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(group))
    await create_login(connection, role, password, right="REPLICATION")
    await connection.execute(sql.SQL("GRANT {} TO {}").format(group, sql.Identifier(role)))


async def replicating_roles(connection: Connection) -> list[str]:
    """Those that `let_replicate` made. A promoted follower has its former leader's."""
    found = await connection.execute(
        "SELECT member.rolname FROM pg_auth_members JOIN pg_roles AS member ON member.oid = pg_auth_members.member"
        " WHERE roleid = (SELECT oid FROM pg_roles WHERE rolname = %s) ORDER BY 1",
        [FOLLOWERS],
    )
    return [row[0] for row in await found.fetchall()]


async def drop_role(connection: Connection, role: str) -> None:
    """Remove the role; nothing to do when it is gone. Fails while it still owns something."""
    await connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


async def scram_verifiers(connection: Connection, roles: Sequence[str]) -> dict[str, str]:
    """What the server keeps instead of a password, of those that can log in with one. A follower has its leader's."""
    found = await connection.execute(
        "SELECT rolname, rolpassword FROM pg_authid"
        " WHERE rolname = ANY(%s) AND rolcanlogin AND rolpassword LIKE 'SCRAM-SHA-256$%%'",
        [list(roles)],
    )
    return dict(await found.fetchall())
