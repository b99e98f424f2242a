"""Other processes, through /proc and pidfds: find those that work in a folder, check whether they are alive, end them.

A pid alone proves nothing, because it may have been reused. A pidfd that is opened first and checked afterwards can only
reach the process that was checked.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process: `started_ticks` (since boot) distinguishes it from a later process with the same pid."""

    pid: int
    started_ticks: int
    program: str
    working_directory: Path | None
    """None if we may not read it. Then it is another user's process."""
    arguments: tuple[str, ...]
    session: int
    """The pid of its session leader."""


def look_at(pid: int) -> Process | None:
    """The running process with this pid. None if it is gone or a zombie."""
    folder = PROC / str(pid)
    try:
        after_name = (folder / "stat").read_text().rpartition(")")[2].split()
        arguments = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        program = (folder / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if after_name[0] in "ZX":
        return None
    try:
        working_directory = (folder / "cwd").readlink()
    except OSError:
        working_directory = None
    words = tuple(os.fsdecode(word) for word in arguments)
    return Process(pid, int(after_name[19]), program, working_directory, words, session=int(after_name[3]))


def age_s(process: Process) -> float:
    """Seconds since it was forked."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - process.started_ticks / os.sysconf("SC_CLK_TCK")


def everything_running() -> Iterator[Process]:
    """All processes visible to us."""
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (process := look_at(int(entry.name))):
            yield process


def end_process(process: Process, how: signal.Signals) -> bool:
    """Signal exactly this process. False if it is already gone."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        now = look_at(process.pid)
        if now is None or now.started_ticks != process.started_ticks:
            return False
        signal.pidfd_send_signal(handle, how)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


async def wait_until_gone(process: Process, *, timeout_s: float | None = None) -> bool:
    """Wait for the process to end without polling. False on timeout."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    with closing(os.fdopen(handle, "rb", buffering=0)):
        now = look_at(process.pid)
        if now is None or now.started_ticks != process.started_ticks:
            return True
        loop.add_reader(handle, gone.set)
        try:
            async with asyncio.timeout(timeout_s):
                await gone.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(handle)
    return True


async def end_all(which: Callable[[], list[Process]], *, gently: signal.Signals, timeout_s: float = 5.0) -> None:
    """End all processes that `which` finds, including newly forked ones: first with `gently`, then with SIGKILL."""
    how = gently
    while found := which():
        for process in found:
            end_process(process, how)
        for process in found:
            if not await wait_until_gone(process, timeout_s=timeout_s):
                how = signal.SIGKILL
