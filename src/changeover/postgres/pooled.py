"""Whether an address leads to a server, or to a pooler that shares server sessions among clients.

A pooler reports an invented process id at login. If two clients, one in a transaction, share a backend, or one client uses
several backends, a session's settings and snapshots are not its own: a SET of ours would affect the app.
"""

from __future__ import annotations

import asyncio

import psycopg
from psycopg.rows import TupleRow

from changeover.postgres.session_settings import retried

PATIENCE_S = 5.0
Session = psycopg.AsyncConnection[TupleRow]


async def has_a_go_between(session: Session) -> bool:
    """Whether the process id reported at login is not the server's: a pooler or gateway answers for it."""
    return await retried(lambda: _backend(session)) != session.pgconn.backend_pid


async def shares_backends(first: Session, second: Session) -> bool:
    """Whether one session's statements run in several backends, or two sessions share one. Autocommit; changes nothing."""
    try:
        return await asyncio.wait_for(_share(first, second), PATIENCE_S)
    except TimeoutError:
        return True  # one session waits for a backend that the other holds
    except psycopg.errors.ProtocolViolation:
        return True  # a statement pooler does not support transactions


async def _share(first: Session, second: Session) -> bool:
    for _ in range(3):
        before = await _backend(first)
        async with second.transaction():
            other = await _backend(second)
            after = await _backend(first)
        if other in (before, after) or before != after:
            return True
    return False


async def _backend(session: Session) -> int:
    row = await (await session.execute("SELECT pg_catalog.pg_backend_pid()")).fetchone()
    assert row is not None  # noqa: S101 - such a query always has a row
    return int(row[0])
