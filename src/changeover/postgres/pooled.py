"""Whether an address leads to one server, or to a pooler that hands the same server session to several clients.

A pooler invents the process id that a client is told at login. And where two clients, one with an open transaction, come upon
one backend, or one client upon several, no setting or snapshot of a session is its own: what we SET would change the app's.
"""

from __future__ import annotations

import asyncio

import psycopg
from psycopg.rows import TupleRow

PATIENCE_S = 5.0
Session = psycopg.AsyncConnection[TupleRow]


async def has_a_go_between(session: Session) -> bool:
    """The process id that the login told is not the server's: a pooler or gateway answers in its place."""
    return await _backend(session) != session.pgconn.backend_pid


async def shares_backends(first: Session, second: Session) -> bool:
    """Whether statements of one session run in several backends, or of two in one. Both autocommit; changes nothing."""
    try:
        return await asyncio.wait_for(_share(first, second), PATIENCE_S)
    except TimeoutError:
        return True  # one waits for a backend that the other holds
    except psycopg.errors.ProtocolViolation:
        return True  # a pooler by statements knows no transactions


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
