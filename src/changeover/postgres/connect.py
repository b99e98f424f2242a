"""Our own way into a server: the superuser over its unix socket, with deadlines. No passwords, no network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from changeover.errors import ServerUnreachable
from changeover.postgres.configuration import SUPERUSER

SHUTTING_DOWN = "57P"
"""The class of SQLSTATE with which a server ends a session."""

OURS_ALWAYS = (
    "-c search_path=pg_catalog -c role=none -c default_transaction_read_only=off -c standard_conforming_strings=on "
    "-c DateStyle=ISO -c IntervalStyle=postgres -c TimeZone=UTC -c bytea_output=hex -c extra_float_digits=3 -c array_nulls=on "
    "-c quote_all_identifiers=off -c transform_null_equals=off -c backslash_quote=safe_encoding -c client_encoding=UTF8 "
    "-c default_transaction_isolation=read\\ committed -c default_transaction_deferrable=off "
    "-c default_tablespace= -c lock_timeout=0"
)
"""Owners may set these for their database. `search_path` keeps its functions and operators from shadowing the catalog's.

They are sent with the login, so only settings that every version knows. `session_settings` has the full list for foreign
servers.
"""

Connection = psycopg.AsyncConnection[TupleRow]


@dataclass(frozen=True)
class Address:
    """The socket of one server."""

    socket_directory: Path
    port: int

    def __str__(self) -> str:
        return f"{self.socket_directory} port {self.port}"


@asynccontextmanager
async def connect(
    address: Address, *, database: str = "postgres", application_name: str = "changeover", timeout_s: float = 10
) -> AsyncIterator[Connection]:
    """An autocommit connection as superuser; each statement has `timeout_s`.

    Raises ServerUnreachable when it can't be made, or when it is lost while in use.
    """
    try:
        connection = await psycopg.AsyncConnection.connect(
            autocommit=True, application_name=application_name, **_parameters(address, database, timeout_s)
        )
    except psycopg.OperationalError as refused:
        raise _unreachable(address, refused) from refused
    async with connection:
        try:
            yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as failure:
            if connection.closed or (failure.sqlstate or "").startswith(SHUTTING_DOWN):
                raise _unreachable(address, failure) from failure
            raise


def _parameters(address: Address, database: str, timeout_s: float) -> dict[str, Any]:
    milliseconds = int(timeout_s * 1000)
    return {
        "host": str(address.socket_directory),
        "port": address.port,
        "user": SUPERUSER,
        "dbname": database,
        "connect_timeout": max(2, int(timeout_s)),
        "passfile": "/nonexistent",
        "sslmode": "disable",
        "target_session_attrs": "any",
        "options": f"{OURS_ALWAYS} -c statement_timeout={milliseconds} -c lc_messages=C",
    }


def _unreachable(address: Address, lost: Exception) -> ServerUnreachable:
    return ServerUnreachable(
        f"The server at {address} does not answer.",
        why=" ".join(str(lost).split()),
        fix="If it is starting or recovering, try again soon. Otherwise its log says why it is down.",
    )


async def fetch_row(
    connection: Connection, query: LiteralString, parameters: Sequence[Any] | Mapping[str, Any] = ()
) -> TupleRow:
    """The only row of a query that always has one."""
    (row,) = await (await connection.execute(query, parameters)).fetchall()
    return row
