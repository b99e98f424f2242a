"""Whether this installation works: its state answers, a job worker is running, its disks have space.

Uses its own connection, so it never waits behind requests. Callers within one second share a result.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection, Error

from changeover.platform.liveness import worker_is_alive

LOOK_S = 1.5
FRESH_S, UNWELL_S = 1.0, 0.05
"""How long an answer is given again: a part that is just starting may be there any moment."""
LEAST_FREE_BYTES = 256_000_000
FOLDERS = ("", "state", "servers", "apps", "backups")
"""Folders in the home. Each may be a separate file system."""

ConnectState = Callable[[], Awaitable[AsyncConnection[Any]]]


@dataclass(frozen=True)
class Finding:
    """`reasons` explains each failed part."""

    has_state: bool
    has_worker: bool
    has_room: bool
    free_bytes: int | None
    reasons: dict[str, str]

    @property
    def is_well(self) -> bool:
        return self.has_state and self.has_worker and self.has_room


@dataclass
class HealthProbe:
    """One per process."""

    host: str
    home: Path
    connect_state: ConnectState
    _connection: AsyncConnection[Any] | None = None
    _looking: asyncio.Task[Finding] | None = None
    _looked_at: float = field(default=float("-inf"))

    async def look(self) -> Finding:
        """At most one second old. Takes at most two seconds, even if something hangs."""
        now = time.monotonic()
        if self._looking is None or (self._looking.done() and now - self._looked_at > _fresh_s(self._looking.result())):
            self._looked_at, self._looking = now, asyncio.ensure_future(self._look())
        return await asyncio.shield(self._looking)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _look(self) -> Finding:
        worker, free = await asyncio.gather(self._worker(), self._free_bytes())
        reasons = {}
        if worker is None:
            reasons["state"] = "The PostgreSQL server with changeover's state does not answer."
        if not worker:
            reasons["worker"] = (
                "No job worker is running." if worker is False else "Unknown: the state does not answer."
            )
        if free is None:
            reasons["disk"] = "The file systems of the home do not answer."
        elif free < LEAST_FREE_BYTES:
            reasons["disk"] = f"Only {free / 1e6:.0f} MB are free. At least {LEAST_FREE_BYTES / 1e6:.0f} MB are needed."
        return Finding(worker is not None, bool(worker), "disk" not in reasons, free, reasons)

    async def _worker(self) -> bool | None:
        """None if the state does not answer."""
        try:
            async with asyncio.timeout(LOOK_S):
                if self._connection is None or self._connection.closed:
                    self._connection = await self.connect_state()
                return await worker_is_alive(self._connection, self.host)
        except (Error, TimeoutError, OSError):
            broken, self._connection = self._connection, None
            if broken is not None:
                await broken.close()
            return None

    async def _free_bytes(self) -> int | None:
        """On the fullest of the file systems. In a thread, because a network file system can hang."""
        try:
            async with asyncio.timeout(LOOK_S):
                return await asyncio.to_thread(least_free_bytes, self.home)
        except (TimeoutError, OSError):
            return None


def _fresh_s(found: Finding) -> float:
    return FRESH_S if found.is_well else UNWELL_S


def least_free_bytes(home: Path) -> int:
    free = []
    for folder in (home / name for name in FOLDERS):
        if folder.exists():
            found = os.statvfs(folder)
            free.append(found.f_bavail * found.f_frsize)
    return min(free)
