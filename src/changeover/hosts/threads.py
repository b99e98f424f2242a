"""Threads for calls that wait for other machines, such as DNS and web servers.

asyncio's default threads are few (six on two processors) and serve everything else, such as the free disk space check of
/healthz. A call that was abandoned keeps its thread until it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST = 64
Result = TypeVar("Result")
_threads = ThreadPoolExecutor(MOST, thread_name_prefix="elsewhere")


async def wait_elsewhere(function: Callable[[], Result]) -> Result:
    """Like `asyncio.to_thread`, but in a separate thread pool."""
    return await asyncio.get_running_loop().run_in_executor(_threads, function)
