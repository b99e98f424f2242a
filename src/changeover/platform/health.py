"""Whether this installation can do its work: its state answers, a job worker lives, its disks have room.

Asked over a connection of its own, so that it never waits behind requests; all who ask within a second share one answer.
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
FRESH_S = 1.0
LEAST_FREE_BYTES = 256_000_000
FOLDERS = ("", "state", "servers", "apps", "backups")
"""Below the home. Each may be a file system of its own."""

ConnectState = Callable[[], Awaitable[AsyncConnection[Any]]]


@dataclass(frozen=True)
class Finding:
    """`reasons` says why for each part that is not well."""

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
    """One for the process."""

    host: str
    home: Path
    connect_state: ConnectState
    _connection: AsyncConnection[Any] | None = None
    _looking: asyncio.Task[Finding] | None = None
    _looked_at: float = field(default=float("-inf"))

    async def look(self) -> Finding:
        """At most a second old; within two seconds, whatever hangs."""
        now = time.monotonic()
        if self._looking is None or (self._looking.done() and now - self._looked_at > FRESH_S):
            self._looked_at, self._looking = now, asyncio.ensure_future(self._look())
        return await asyncio.shield(self._looking)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _look(self) -> Finding:
        worker, free = await asyncio.gather(self._worker(), self._free_bytes())
        reasons = {}
        if worker is None:
            reasons["state"] = "The PostgreSQL that keeps our state does not answer."
        if not worker:
            reasons["worker"] = "No job worker lives." if worker is False else "Unknown: only the state can tell."
        if free is None:
            reasons["disk"] = "The file systems of the home do not answer."
        elif free < LEAST_FREE_BYTES:
            reasons["disk"] = f"{free / 1e6:.0f} MB are free, of {LEAST_FREE_BYTES / 1e6:.0f} MB needed at least."
        return Finding(worker is not None, bool(worker), "disk" not in reasons, free, reasons)

    async def _worker(self) -> bool | None:
        """None where the state does not answer."""
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
        """On the fullest of the file systems. In a thread: a file system over a network can hang."""
        try:
            async with asyncio.timeout(LOOK_S):
                return await asyncio.to_thread(least_free_bytes, self.home)
        except (TimeoutError, OSError):
            return None


def least_free_bytes(home: Path) -> int:
    free = []
    for folder in (home / name for name in FOLDERS):
        if folder.exists():
            found = os.statvfs(folder)
            free.append(found.f_bavail * found.f_frsize)
    return min(free)
