"""Starts, watches and stops the program. Identifies it only by its work folder."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from changeover.errors.base import Reported
from changeover.hosts.ownership import give, open_within, read_within
from changeover.hosts.processes import Process, end_all, everything_running
from changeover.hosts.programs import last_lines, wait_until_shown
from changeover.postgres.progress import Progress
from changeover.postgres.snapshot.job import Job

MODULE: Final = "changeover.postgres.snapshot"


@dataclass(frozen=True)
class Outcome:
    """How the program ended. Exactly one is set."""

    report: dict[str, Any] | None = None
    error: Reported | None = None


async def start(job: Job, work: Path, *, run_as: str | None = None) -> Process | None:
    """Start the program, which outlives us. Returns None if it has already ended. Creates `work` for its user only.

    Does nothing if one already runs there. If we are root, it becomes the user `run_as` before it reads its job.
    """
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o700)
    if run_as is not None:
        work.parent.chmod(work.parent.stat().st_mode | 0o011)  # regardless of our umask
    if found := processes(work):
        return found[0]
    (work / "outcome.json").unlink(missing_ok=True)
    await asyncio.to_thread(_start, job, work, run_as)
    return next(iter(processes(work)), None)


def _start(job: Job, work: Path, run_as: str | None) -> None:
    with open_within(work, "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT) as log:
        if run_as is not None:
            _give(work, run_as)
        user = () if run_as is None else ("--user", run_as)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, "--work", str(work), *user],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=work,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},  # none of the caller's PG… variables
        )
    assert process.stdin  # noqa: S101 – a pipe was asked for
    with process.stdin as pipe:
        pipe.write(job.as_json().encode())
    threading.Thread(target=process.wait, name=f"reap {process.pid}", daemon=True).start()
    wait_until_shown(process)


def _give(work: Path, user: str) -> None:
    """Includes files of an older version's program, which ran as root."""
    if pwd.getpwnam(user).pw_uid != os.geteuid():
        give(work, of=pwd.getpwuid(os.geteuid()).pw_name, to=user)


def look(work: Path) -> Progress | Outcome:
    """Its progress, or how it ended. Without an outcome and a process, it was killed and must be started again."""
    try:
        said = json.loads(read_within(work, "outcome.json"))
        return Outcome(said.get("report"), Reported(said["error"]) if "error" in said else None)
    except FileNotFoundError:
        pass
    try:
        shown = json.loads(read_within(work, "progress.json"))
    except FileNotFoundError:
        return Progress("start")
    shown.pop("percent", None)
    return Progress(**shown)


def processes(work: Path) -> list[Process]:
    """The program and its children: all processes that work in this folder."""
    home = work.resolve()
    return [one for one in everything_running() if one.working_directory == home]


async def stop(work: Path) -> None:
    """End it gracefully, or by force if that takes too long. Completed work is kept."""
    await end_all(lambda: processes(work), gently=signal.SIGTERM)


def log_of(work: Path) -> str:
    """The last 20,000 characters, which include the traceback of a bug."""
    return _log(work)[-20_000:]


def last_said(work: Path) -> str:
    """The last lines of its log."""
    return last_lines(_log(work))


def _log(work: Path) -> str:
    try:
        return read_within(work, "log").decode(errors="replace")
    except FileNotFoundError:
        return ""
