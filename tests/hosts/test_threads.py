"""Calls that another machine never ends take no thread from anything else."""

from __future__ import annotations

import asyncio
import threading

from changeover.hosts.threads import wait_elsewhere


async def test_calls_that_hang_leave_asyncios_own_threads_free() -> None:
    release = threading.Event()
    hung = [asyncio.ensure_future(wait_elsewhere(release.wait)) for _ in range(40)]
    await asyncio.to_thread(lambda: None)
    assert not any(one.done() for one in hung)
    release.set()
    await asyncio.gather(*hung)
