"""Finds all processes of one home without our state, by their working directories and their arguments.

Used when the state isn't available: the home is gone, or processes outlived the worker that started them.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from changeover.hosts.processes import Process, end_all, end_process, everything_running, wait_until_gone

SERVERS = ("postgres", "postmaster")
TASKS = ("pg_basebackup", "pg_dump", "pg_restore", "initdb")
OTHERS = ("pgbouncer", "caddy")
TASK_MODULE, OTHER_MODULES = "changeover.postgres.snapshot", ("changeover.runtime.dynos.",)
GONE = " (deleted)"
STOP_S = 10.0


def tasks_over(*homes: Path) -> list[Process]:
    """Programs that do one task and end: copies, dumps, restores."""
    return _over(homes, lambda one: one.program.startswith(TASKS) or TASK_MODULE in one.arguments)


def servers_over(*homes: Path) -> list[Process]:
    """Postmasters and their children."""
    return _over(homes, lambda one: one.program.startswith(SERVERS))


def others_over(*homes: Path) -> list[Process]:
    """Poolers, the router, dyno supervisors and log keepers."""
    return _over(
        homes,
        lambda one: one.program.startswith(OTHERS) or any(word.startswith(OTHER_MODULES) for word in one.arguments),
    )


def followers_over(*homes: Path) -> list[Process]:
    """Poolers and the router, which would keep running without a backend."""
    return _over(homes, lambda one: one.program.startswith(OTHERS))


async def end_tasks(*homes: Path) -> None:
    await end_all(lambda: tasks_over(*homes), gently=signal.SIGTERM, timeout_s=STOP_S)


async def end_everything(*homes: Path) -> None:
    """Ends tasks first and servers last. Dynos end with their supervisor."""
    await end_tasks(*homes)
    await end_all(lambda: others_over(*homes), gently=signal.SIGTERM, timeout_s=STOP_S)
    postmasters = [one for one in servers_over(*homes) if "-D" in one.arguments]
    how = signal.SIGINT if all(_still_has_its_folder(one) for one in postmasters) else signal.SIGQUIT
    for one in postmasters:
        end_process(one, how)
    for one in postmasters:
        await wait_until_gone(one, timeout_s=STOP_S)
    await end_all(lambda: servers_over(*homes), gently=signal.SIGQUIT)


def _over(homes: tuple[Path, ...], is_wanted: Callable[[Process], bool]) -> list[Process]:
    return [one for one in everything_running() if is_wanted(one) and any(_is_over(one, home) for home in homes)]


def _is_over(process: Process, home: Path) -> bool:
    if process.working_directory is not None and process.working_directory.is_relative_to(home):
        return True
    return any(f"{home}/" in word or word == str(home) for word in process.arguments[1:])


def _still_has_its_folder(process: Process) -> bool:
    return process.working_directory is not None and not str(process.working_directory).endswith(GONE)
