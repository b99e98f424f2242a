"""Connects to a database on a foreign server, and turns connection errors into ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncCursor

from changeover.errors import ChangeoverError, ServerUnreachable
from changeover.errors.elsewhere import ConnectionLost, LoginRefused, NotTrusted, PooledAddress
from changeover.postgres.connect import Connection
from changeover.postgres.libpq import addresses_of, told
from changeover.postgres.location import KEEPALIVES, Location
from changeover.postgres.pooled import has_a_go_between, shares_backends
from changeover.postgres.session_settings import LIMITS, MEANING, limit, settle

SESSION = MEANING | LIMITS | {
    "search_path": "pg_catalog",  # the database's functions and operators must not shadow the catalog's
    "lock_timeout": "5s",
}  # fmt: skip


@asynccontextmanager
async def reach(
    location: Location,
    *,
    application_name: str = "changeover",
    is_read_only: bool = True,
    statement_timeout_s: float = 30,
    connect_timeout_s: float = 10,
    silence_ms: int = 0,
) -> AsyncIterator[Connection]:
    """An autocommit connection. `is_read_only` makes all its transactions read-only. A timeout of 0 means no limit.

    `silence_ms` is TCP_USER_TIMEOUT: how long sent data may stay unacknowledged. 0: the system's default.

    Settings are SET after the login rather than sent with it, because poolers reject unknown parameters.
    Raises ServerUnreachable, LoginRefused, NotTrusted, PooledAddress, AddressNotAllowed, and ConnectionLost when the
    connection is lost while in use.
    """
    parameters = {"application_name": application_name, "connect_timeout": str(max(2, int(connect_timeout_s)))}
    connection = await log_in(location, parameters | ({"tcp_user_timeout": str(silence_ms)} if silence_ms else {}))
    async with connection:
        try:
            await _refuse_a_pooler(location, connection, parameters)
            await _settle(connection, is_read_only=is_read_only, statement_timeout_s=statement_timeout_s)
            yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as failure:
            if connection.closed or (failure.sqlstate or "").startswith(("57P", "08")):
                raise lost(location, failure) from failure
            raise


async def log_in(
    location: Location, parameters: Mapping[str, str], *, cursors: type[AsyncCursor[Any]] = AsyncCursor
) -> Connection:
    """Connect to an allowed address. libpq `parameters` override those of the address.

    Raises ServerUnreachable, LoginRefused, NotTrusted, AddressNotAllowed.
    """
    try:
        async with asyncio.timeout(float(parameters["connect_timeout"])):
            addresses = await addresses_of(location)
    except (OSError, UnicodeError, TimeoutError) as unknown:
        raise why_refused(
            location, OSError(f"failed to resolve host {location.host!r}: {unknown or 'too slow'}")
        ) from None
    with told(location, addresses) as wanted:
        everything = {**KEEPALIVES, **wanted.for_psycopg, **parameters}
        try:
            return await psycopg.AsyncConnection.connect(
                psycopg.conninfo.make_conninfo("", **everything), autocommit=True, prepare_threshold=None,
                cursor_factory=cursors,
            )  # fmt: skip
        except psycopg.OperationalError as refused:
            raise why_refused(location, refused) from None


async def _refuse_a_pooler(location: Location, connection: Connection, parameters: Mapping[str, str]) -> None:
    """Must run before any SET: with transaction pooling, the app's next statement would run under our settings."""
    if not await has_a_go_between(connection):
        return
    async with await log_in(location, parameters) as second:
        if await shares_backends(connection, second):
            raise PooledAddress(
                f"{location.host}:{location.port} is a pooler, not the server of {location.database} itself.",
                why="Two sessions there share one server process, so neither has its own settings or snapshot.",
                fix="Give the server's own address. It often has another port or host name (5432 instead of 6432 or 6543, "
                "without `-pooler`). Providers call it the direct connection.",
            )


async def _settle(connection: Connection, *, is_read_only: bool, statement_timeout_s: float) -> None:
    milliseconds = int(statement_timeout_s * 1000)
    wanted = SESSION | {"statement_timeout": str(milliseconds)}
    if is_read_only:
        wanted["default_transaction_read_only"] = "on"
    if connection.info.parameter_status("server_encoding") != "SQL_ASCII":
        wanted["client_encoding"] = "UTF8"
    try:
        await settle(connection, wanted)
    except psycopg.errors.QueryCanceled:  # the database's own limit is shorter than that takes
        await limit(connection, milliseconds)
        await settle(connection, wanted)
    try:
        await connection.execute("SELECT pg_catalog.set_config('lc_messages', 'C', false)")
    except psycopg.errors.InsufficientPrivilege:
        return  # its messages stay in its own language; errors are recognized by SQLSTATE


def lost(location: Location, failure: Exception) -> ConnectionLost:
    return ConnectionLost(
        f"The connection to {location} was lost.",
        why=_one_line(failure),
        fix="It is tried again. If it always fails at the same point, see the server's log for the reason.",
    )


def why_refused(location: Location, refused: Exception) -> ChangeoverError:
    """Convert a failed login to one of our errors. libpq's text never contains the password."""
    said = _one_line(refused)
    lower = said.lower()
    if "certificate" in lower or "ssl" in lower:
        return NotTrusted(
            f"No trusted connection to {location} could be made.",
            why=said,
            fix="Set its authority in the address (?sslmode=verify-full&sslrootcert=FILE), or an sslmode that it offers.",
        )
    if any(sign in lower for sign in ("authentication failed", "no password supplied", "does not exist", "not permitted",
                                      "no pg_hba.conf entry", "permission denied", "login", "password")):  # fmt: skip
        return LoginRefused(
            f"{location.host}:{location.port} does not let {location.user} into {location.database}.",
            why=said,
            fix="Check the user, password and database, and that the server allows connections from this machine.",
        )
    return ServerUnreachable(
        f"The server of {location} does not answer.",
        why=said,
        fix="Check the host and port, and that a firewall or the provider's list of allowed addresses allows this machine.",
    )


def _one_line(failure: Exception) -> str:
    return " ".join(str(failure).split())
