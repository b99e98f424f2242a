"""Whether a job worker is running: it holds a session lock on our state as long as its process exists."""

from __future__ import annotations

from changeover.store import query
from changeover.store.query import Db


async def hold_worker_lock(db: Db, host: str) -> bool:
    """Whether this connection is now the host's worker. False while another one is running."""
    return await query.values(db, "runs.try_worker_lock", host=host) == [True]


async def worker_is_alive(db: Db, host: str) -> bool:
    return await query.values(db, "runs.worker_lock_is_held", host=host) == [True]
