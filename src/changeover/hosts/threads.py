"""Threads for calls whose length another machine decides: name servers, web servers.

asyncio's own threads are few (six on two processors) and serve everything else, such as the look at free disk space that
/healthz needs. A call that is given up keeps its thread until it returns.
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
    """Like `asyncio.to_thread`, without taking one of its threads."""
    return await asyncio.get_running_loop().run_in_executor(_threads, function)
