"""Mutual exclusion between our processes: a file lock, which the kernel releases when its holder dies."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from changeover.errors import RuntimeFailed

LOOK_AGAIN_S = 0.05


@asynccontextmanager
async def alone(path: Path, *, timeout_s: float) -> AsyncIterator[None]:
    """Raises RuntimeFailed when another process holds the lock until the timeout."""
    deadline = time.monotonic() + timeout_s
    with path.open("a") as handle:
        while not _take(handle.fileno()):
            if time.monotonic() > deadline:
                raise RuntimeFailed(
                    "Another changeover process is changing the same dynos.",
                    why=f"It has held {path} for {timeout_s:.0f} seconds.",
                    fix="Try again when it is finished.",
                )
            await asyncio.sleep(LOOK_AGAIN_S)
        yield


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
