"""Runs programs: as another user when we are root, with a minimal environment, never through a shell.

Uses threads instead of asyncio's child processes, because uvloop can't start a program as another user.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypedDict

from changeover.errors import ServerFailed
from changeover.hosts.disks import full_disk_in
from changeover.hosts.processes import look_at

ROOM_FOR_OUTPUT = 32 * 1024


@dataclass(frozen=True)
class Finished:
    """A program's exit code and its complete output."""

    code: int
    output: str


class _ChildOptions(TypedDict):
    user: int | None
    group: int | None
    extra_groups: list[int] | None
    umask: int
    cwd: str
    env: dict[str, str]


def owner_ids(run_as: str | None) -> tuple[int, int]:
    """The uid and gid for files of `run_as`. None: our own."""
    if run_as is None:
        return os.geteuid(), os.getegid()
    entry = pwd.getpwnam(run_as)
    return entry.pw_uid, entry.pw_gid


def _child_options(program: Path, run_as: str | None) -> _ChildOptions:
    uid, gid = owner_ids(run_as)
    changes_user = run_as is not None and uid != os.geteuid()
    return {
        "user": uid if changes_user else None,
        "group": gid if changes_user else None,
        "extra_groups": [] if changes_user else None,
        "umask": 0o077,
        "cwd": "/",
        "env": {
            "LC_ALL": "C",
            "TZ": "UTC",
            "PATH": f"{program.parent}:/usr/bin:/bin",
            "PGPASSFILE": "/nonexistent",
        },
    }


async def run_program(
    arguments: Sequence[str | Path], *, run_as: str | None = None, timeout_s: float = 120
) -> Finished:
    """Run to the end and return output and exit code. Raises ServerFailed after `timeout_s`."""
    program = Path(arguments[0])

    def run() -> Finished:
        done = subprocess.run(
            [str(word) for word in arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
            **_child_options(program, run_as),
        )
        return Finished(done.returncode, done.stdout.decode(errors="replace"))

    try:
        return await asyncio.to_thread(run)
    except subprocess.TimeoutExpired as late:
        raise ServerFailed(
            f"{program.name} did not finish.",
            why=f"It was ended after {timeout_s:.0f} seconds.",
            fix="Check the load and the disks of this host, then try again.",
        ) from late


async def run_or_fail(arguments: Sequence[str | Path], *, run_as: str | None = None, timeout_s: float = 120) -> str:
    """Like `run_program`. If the exit code isn't 0, raises DiskFull, or ServerFailed with the last lines."""
    done = await run_program(arguments, run_as=run_as, timeout_s=timeout_s)
    if done.code != 0:
        what = f"{Path(arguments[0]).name} failed with exit code {done.code}."
        if full := full_disk_in(done.output, what):
            raise full
        raise ServerFailed(
            what,
            why=last_lines(done.output),
            fix="See its output above. Fix the reported problem, then try again.",
        )
    return done.output


async def start_detached(arguments: Sequence[str | Path], *, log: Path, run_as: str | None = None) -> None:
    """Start a program that outlives us. Its output goes to `log`, which belongs to us, not to it. Read it with `said_in`.

    Disk space for its output is allocated beforehand, so it can still report that the disk is full.
    """
    log.write_bytes(bytes(ROOM_FOR_OUTPUT))
    await asyncio.to_thread(_start, arguments, log, run_as)


def _start(arguments: Sequence[str | Path], log: Path, run_as: str | None) -> None:
    with log.open("r+b") as output:
        process = subprocess.Popen(
            [str(word) for word in arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **_child_options(Path(arguments[0]), run_as),
        )
    threading.Thread(target=process.wait, name=f"reap {process.pid}", daemon=True).start()
    wait_until_shown(process)


def start_piped(
    arguments: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    run_as: str | None = None,
    files: Sequence[int] = (),
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start a program with piped streams. It ends when they are closed. Secrets go in `environment`."""
    options = _child_options(Path(arguments[0]), run_as)
    options["env"] |= environment
    return subprocess.Popen(
        [str(word) for word in arguments], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, pass_fds=files,
        **options,
    )  # fmt: skip


def as_user(run_as: str | None) -> list[str]:
    """The command prefix that runs a program as that user, without a way to become another.

    For programs started by an event loop, because uvloop can't change the user.
    """
    if run_as is None:
        return []
    uid, gid = owner_ids(run_as)
    return ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs", "--"]


def wait_until_shown(process: subprocess.Popen[bytes]) -> None:
    """Wait until /proc shows the new program's arguments, which identify it. Popen returns slightly earlier."""
    ours = look_at(os.getpid())
    while (child := look_at(process.pid)) and child.arguments in ((), ("",), ours and ours.arguments):
        time.sleep(0.001)


def said_in(log: Path) -> str:
    """The output of a detached program so far. Empty without a log."""
    try:
        return log.read_bytes().rstrip(b"\0").decode(errors="replace")
    except FileNotFoundError:
        return ""


def last_lines(text: str, count: int = 6) -> str:
    """The end of a program's output, to quote in an error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-count:]) or "It printed nothing."
