"""Sessions on both sides, and their settings. asyncpg reads COPY data from the source; psycopg does everything else.

asyncpg passes on data as read from the socket, while psycopg splits it into rows: asyncpg needs a quarter of the CPU to read.
Writing costs the same with both, and psycopg notices immediately when the target ends a COPY early.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import psycopg
from psycopg import sql

from changeover.errors import ChangeoverError, ServerUnreachable
from changeover.errors.elsewhere import ConnectionLost, SnapshotGone
from changeover.postgres.connect import Connection
from changeover.postgres.location import KEEPALIVES, Location
from changeover.postgres.reaching import reach
from changeover.postgres.session_settings import APPLY, LIMITS, MEANING, TRIES, settle
from changeover.postgres.snapshot.reader import connect_reader

SILENCE_MS: Final = 70_000
"""How long sent data may stay unacknowledged before the connection counts as lost. Same as KEEPALIVES."""
EVERYWHERE: Final = MEANING | LIMITS | {
    "search_path": "",
    "statement_timeout": "0",
    "row_security": "off",  # an error instead of row-level security silently hiding rows
}  # fmt: skip
READING: Final = EVERYWHERE | {"synchronize_seqscans": "off", "default_transaction_read_only": "on"}
WRITING: Final = EVERYWHERE | {
    "default_transaction_read_only": "off",
    "synchronous_commit": "off",
    "check_function_bodies": "off",
    "client_min_messages": "error",  # any message during a COPY would be taken for its end
    "vacuum_cost_delay": "0",
}


@asynccontextmanager
async def reading_control(location: Location, name: str) -> AsyncIterator[Connection]:
    """A psycopg session on the source, read-only. Raises what `reach` raises."""
    async with reach(location, application_name=name, statement_timeout_s=0) as connection:
        await settle(
            connection, READING | {"client_encoding": "UTF8"}
        )  # otherwise psycopg would return names from SQL_ASCII as bytes
        yield connection


@asynccontextmanager
async def writing(location: Location, name: str, *, encoding: str = "UTF8") -> AsyncIterator[Connection]:
    """A psycopg session on the target that sends data in `encoding`. Raises what `reach` raises.

    Commits are asynchronous. After a crash of the server, the ledger says which of them survived.
    """
    async with reach(
        location, application_name=name, is_read_only=False, statement_timeout_s=0, silence_ms=SILENCE_MS
    ) as connection:
        await settle(connection, WRITING | {"client_encoding": encoding})
        await _settle_load(connection)
        yield connection


async def _settle_load(connection: Connection) -> None:
    await connection.execute(
        "SELECT set_config('maintenance_work_mem', greatest(m.setting::int, least(b.setting::int * 8, 262144)) || 'kB', false)"
        " FROM pg_catalog.pg_settings m, pg_catalog.pg_settings b"
        " WHERE m.name = 'maintenance_work_mem' AND b.name = 'shared_buffers'"
    )
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
        # For triggers of extensions on their own tables. The database's own triggers are created after the data.
        await connection.execute("SELECT set_config('session_replication_role', 'replica', false)")


async def open_reader(location: Location, name: str, snapshot: str, *, encoding: str = "UTF8") -> Any:
    """An asyncpg session that reads at `snapshot`. Raises ConnectionLost, ServerUnreachable; see `why_lost`."""
    try:
        reader = await connect_reader(location, name)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as refused:
        raise ServerUnreachable(
            f"The server of {location} does not answer.", why=one_line(refused), fix="It is tried again."
        ) from refused
    try:
        _keep_alive(reader)
        settings = READING | {"client_encoding": encoding}
        await _lift_limit(reader)
        await reader.fetchval(APPLY, list(settings), list(settings.values()))
        await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        await reader.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
    except (asyncpg.InvalidParameterValueError, asyncpg.UndefinedObjectError) as gone:
        reader.terminate()
        raise SnapshotGone(
            "The snapshot of the source is gone.", why=one_line(gone), fix="The copy takes a new one automatically."
        ) from gone
    except BaseException:
        reader.terminate()
        raise
    return reader


async def _lift_limit(reader: Any) -> None:
    """See `session_settings.limit`, for asyncpg."""
    for _ in range(TRIES):
        with contextlib.suppress(asyncpg.QueryCanceledError):
            await reader.execute("SET statement_timeout = 0")
            return


def _keep_alive(reader: Any) -> None:
    """Like KEEPALIVES for libpq. asyncpg has no parameter for it."""
    transport = getattr(reader, "_transport", None)
    plain = transport.get_extra_info("socket") if transport else None
    if plain is None or plain.family not in (socket.AF_INET, socket.AF_INET6):
        return
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, KEEPALIVES["keepalives_idle"]),
        (socket.TCP_KEEPINTVL, KEEPALIVES["keepalives_interval"]),
        (socket.TCP_KEEPCNT, KEEPALIVES["keepalives_count"]),
    ):
        plain.setsockopt(socket.IPPROTO_TCP, option, int(value))


def is_lost(failure: BaseException) -> bool:
    """Whether a session or its server went away, so that trying again can help."""
    if isinstance(failure, ChangeoverError):
        return isinstance(failure, (ConnectionLost, ServerUnreachable))
    state = getattr(failure, "sqlstate", None)
    if state and state.startswith("08") and _is_answer(failure):
        return False  # our server could not reach another server
    if state:
        return state.startswith(("08", "57P")) or state in ("53300", "25P03", "25P04", "40P01")
    return isinstance(failure, (OSError, asyncpg.InterfaceError, psycopg.OperationalError, psycopg.InterfaceError,
                                asyncio.IncompleteReadError))  # fmt: skip


def _is_answer(failure: BaseException) -> bool:
    """Whether a server sent it and the session continues. Errors that end a session are FATAL."""
    diag = getattr(failure, "diag", None)
    severity = getattr(failure, "severity_en", None) or (diag.severity_nonlocalized if diag else None)
    return severity == "ERROR"


async def refusal_of(connection: Connection, statement: sql.Composed) -> str | None:
    """Run it in its own transaction. Returns the server's error in one line, or None. A lost session is raised."""
    try:
        async with connection.transaction():
            await connection.execute(statement)
    except psycopg.Error as refused:
        if is_lost(refused):
            raise
        return one_line(refused)
    return None


def one_line(failure: BaseException) -> str:
    """The driver's message with the server's detail and hint. Never contains a password."""
    parts = [str(failure)]
    diag = getattr(failure, "diag", None)
    for extra in ("detail", "hint"):
        said = getattr(failure, extra, None) or (getattr(diag, f"message_{extra}", None) if diag else None)
        if said and said not in parts[0]:
            parts.append(said)
    return " ".join(" ".join(parts).split()) or type(failure).__name__
