"""Into a database that somebody else runs, by its location: what can go wrong there, said in words."""

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
    "search_path": "pg_catalog",  # the database's own functions and operators never stand before the catalog's
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
    """An autocommit connection; `is_read_only` makes every transaction of it so. 0 seconds: no limit.

    After `silence_ms` without an answer to what was sent, the other side counts as gone; 0: the system's own patience.

    Settings are SET after the login and not sent with it, because poolers refuse what they don't know.
    Raises ServerUnreachable, LoginRefused, NotTrusted, PooledAddress, AddressNotAllowed; ConnectionLost when it ends
    while in use.
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
    """A connection to an address that is allowed. `parameters` are libpq's, and come before those of the address.

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
    """Before anything is SET: in a pool by transactions the app's next statement would run under our settings."""
    if not await has_a_go_between(connection):
        return
    async with await log_in(location, parameters) as second:
        if await shares_backends(connection, second):
            raise PooledAddress(
                f"{location.host}:{location.port} is a pooler, not the server of {location.database} itself.",
                why="Two sessions there share one server process, so none has settings or a snapshot of its own.",
                fix="Give the server's own address: often another port or host name (5432 instead of 6432 or 6543, "
                "without `-pooler`); a provider calls it the direct connection.",
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
        return  # its messages come in its own language; we go by SQLSTATE


def lost(location: Location, failure: Exception) -> ConnectionLost:
    return ConnectionLost(
        f"The connection to {location} was lost.",
        why=_one_line(failure),
        fix="It is tried again. If it happens at the same place each time, look at the server's log for who ends it.",
    )


def why_refused(location: Location, refused: Exception) -> ChangeoverError:
    """What libpq says of a failed login, as one of our failures. Its text never holds the password."""
    said = _one_line(refused)
    lower = said.lower()
    if "certificate" in lower or "ssl" in lower:
        return NotTrusted(
            f"There is no trusted connection to {location}.",
            why=said,
            fix="Name its authority in the address (?sslmode=verify-full&sslrootcert=FILE), or ask for what it offers.",
        )
    if any(sign in lower for sign in ("authentication failed", "no password supplied", "does not exist", "not permitted",
                                      "no pg_hba.conf entry", "permission denied", "login", "password")):  # fmt: skip
        return LoginRefused(
            f"{location.host}:{location.port} does not let {location.user} into {location.database}.",
            why=said,
            fix="Check user, password and database; and that this machine's address is allowed there.",
        )
    return ServerUnreachable(
        f"The server of {location} does not answer.",
        why=said,
        fix="Check host and port, and that a firewall or the provider's list of allowed addresses lets us through.",
    )


def _one_line(failure: Exception) -> str:
    return " ".join(str(failure).split())
