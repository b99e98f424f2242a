"""The pauses in progress in this process. A pause finishes or rolls back, even when its caller is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
_under_way: set[asyncio.Task[Any]] = set()


async def finish_even_if_cancelled(pause: Coroutine[Any, Any, Result]) -> Result:
    """Its result. A cancelled caller leaves at once; the pause itself goes on to its end."""
    task = asyncio.create_task(pause)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return await asyncio.shield(task)


async def until_none_is_under_way() -> None:
    """For a process that is told to stop: before it cancels anything."""
    while _under_way:
        await asyncio.wait(set(_under_way))
