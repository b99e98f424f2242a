"""Finds processes of dynos on this host by the mark in their environment, and ends those left over.

Forked grandchildren, processes with their own session and orphans of a killed supervisord all have the mark. A process that
cleared its environment is found by its launcher, which ends it (holding.py), and by its app's user.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path

from changeover.hosts.processes import PROC, Process, end_process, everything_running, look_at, wait_until_gone
from changeover.runtime.dynos.holding import END_ALL
from changeover.runtime.dynos.places import MARK
from changeover.runtime.dynos.programs import LAUNCHER

BECOMING_S = 0.002


def bearing(is_wanted: Callable[[str], bool]) -> list[Process]:
    """Every running process whose mark is wanted."""
    found, between = [], []
    for process in everything_running():
        environment = _environment_of(process.pid)
        if environment:
            if _is_marked(environment, is_wanted):
                found.append(process)
        elif environment is not None:
            between.append(process)
    if between:  # during exec, a process briefly has no environment
        time.sleep(BECOMING_S)
    return found + [one for one in between if _is_marked(_environment_of(one.pid) or b"", is_wanted)]


def _environment_of(pid: int) -> bytes | None:
    """None if it is gone, ourselves, a kernel thread, or not readable for us."""
    if pid == os.getpid():
        return None
    folder = PROC / str(pid)
    try:
        environment = (folder / "environ").read_bytes()
        if not environment and folder.stat().st_uid == 0:
            return None  # dynos don't run as root, or we aren't root and may not read it
    except OSError:
        return None
    return environment


def _is_marked(environment: bytes, is_wanted: Callable[[str], bool]) -> bool:
    prefix = f"{MARK}=".encode()
    marks = [entry.removeprefix(prefix) for entry in environment.split(b"\0") if entry.startswith(prefix)]
    return bool(marks) and is_wanted(os.fsdecode(marks[0]))


def is_launcher(process: Process) -> bool:
    """Whether it is a launcher, which is not part of the app and ends its processes. Includes older versions'."""
    return any(Path(word).name == LAUNCHER.name for word in process.arguments[1:4])


def running_as(uids: Collection[int], identity: str) -> list[Process]:
    """Every running process of these users, except those with another installation's mark."""
    found = []
    for process in everything_running():
        try:
            is_theirs = (PROC / str(process.pid)).stat().st_uid in uids
        except FileNotFoundError:
            continue
        environment = (_environment_of(process.pid) or b"") if is_theirs else b""
        if is_theirs and not _is_marked(environment, lambda mark: not mark.startswith(f"{identity}/")):
            found.append(process)
    return found


def noted(started: Path) -> Process | None:
    """The process whose pid and start time the launcher recorded, if it is still running."""
    try:
        pid, ticks = (int(word) for word in started.read_text().split())
    except (FileNotFoundError, ValueError):
        return None
    process = look_at(pid)
    return process if process and process.started_ticks == ticks else None


def is_in_group(process: Process, leader: int) -> bool:
    try:
        return os.getpgid(process.pid) == leader
    except ProcessLookupError:
        return True


async def gone_within(which: Callable[[], list[Process]], timeout_s: float) -> bool:
    """Whether all of them end on their own in that time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while found := which():
                for process in found:
                    await wait_until_gone(process, timeout_s=timeout_s)
            return True
    return not which()


async def kill(which: Callable[[], list[Process]]) -> None:
    """Kill all of them and what they fork. A launcher first ends all its processes, marked or not."""
    to_launchers = END_ALL
    while found := which():
        for process in found:
            end_process(process, to_launchers if is_launcher(process) else signal.SIGKILL)
        for process in found:
            await wait_until_gone(process, timeout_s=5)
        to_launchers = signal.SIGKILL
