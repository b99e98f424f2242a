"""Starts a process in its own session, so that it outlives us."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Started:
    """`ended` becomes its exit code, or 128 plus the signal's number."""

    pid: int
    ended: asyncio.Future[int]


async def start_process(
    arguments: Sequence[str],
    environment: dict[str, str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
) -> Started:
    """Waits for it in a dedicated thread: asyncio's threads are few, and the process may live for days."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def wait(process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if not loop.is_closed():
            loop.call_soon_threadsafe(_set, ended, code if code >= 0 else 128 - code)

    def start() -> int:
        process = subprocess.Popen(
            list(arguments), stdin=stdin, stdout=stdout, stderr=stderr,
            env=environment, cwd="/", umask=0o077, start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=wait, args=[process], name=f"reap {process.pid}", daemon=True).start()
        return process.pid

    return Started(await asyncio.to_thread(start), ended)


def _set(ended: asyncio.Future[int], code: int) -> None:
    if not ended.done():
        ended.set_result(code)
