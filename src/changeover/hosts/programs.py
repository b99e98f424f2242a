"""Running programs: as another user when we are root, with a minimal environment, never through a shell.

Threads and not asyncio's own children, because uvloop cannot start a program as another user.
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
    """How a program ended, and everything that it said."""

    code: int
    output: str


class _Surroundings(TypedDict):
    user: int | None
    group: int | None
    extra_groups: list[int] | None
    umask: int
    cwd: str
    env: dict[str, str]


def owner_ids(run_as: str | None) -> tuple[int, int]:
    """The uid and gid that files of `run_as` belong to; None: our own."""
    if run_as is None:
        return os.geteuid(), os.getegid()
    entry = pwd.getpwnam(run_as)
    return entry.pw_uid, entry.pw_gid


def _surroundings(program: Path, run_as: str | None) -> _Surroundings:
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
    """Run to the end and return output and exit code. Raises ServerFailed when it takes longer than `timeout_s`."""
    program = Path(arguments[0])

    def run() -> Finished:
        done = subprocess.run(
            [str(word) for word in arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
            **_surroundings(program, run_as),
        )
        return Finished(done.returncode, done.stdout.decode(errors="replace"))

    try:
        return await asyncio.to_thread(run)
    except subprocess.TimeoutExpired as late:
        raise ServerFailed(
            f"{program.name} did not finish.",
            why=f"It was ended after {timeout_s:.0f} seconds.",
            fix="Look at the load and the disks of this host, then try again.",
        ) from late


async def run_or_fail(arguments: Sequence[str | Path], *, run_as: str | None = None, timeout_s: float = 120) -> str:
    """Like `run_program`, and raises DiskFull, or ServerFailed with the last lines, when the exit code isn't 0."""
    done = await run_program(arguments, run_as=run_as, timeout_s=timeout_s)
    if done.code != 0:
        what = f"{Path(arguments[0]).name} failed with exit code {done.code}."
        if full := full_disk_in(done.output, what):
            raise full
        raise ServerFailed(
            what,
            why=last_lines(done.output),
            fix="The lines above are its output. Fix what they name, then try again.",
        )
    return done.output


async def start_detached(arguments: Sequence[str | Path], *, log: Path, run_as: str | None = None) -> None:
    """Start a program that outlives us, its output in `log` (which belongs to us, not to it); read it by `said_in`.

    The room for what it says is taken beforehand, so that it can still say that the disk is full.
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
            **_surroundings(Path(arguments[0]), run_as),
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
    """Start a program whose streams the caller reads and writes; it ends with them. What is secret is in `environment`."""
    surroundings = _surroundings(Path(arguments[0]), run_as)
    surroundings["env"] |= environment
    return subprocess.Popen(
        [str(word) for word in arguments], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, pass_fds=files,
        **surroundings,
    )  # fmt: skip


def as_user(run_as: str | None) -> list[str]:
    """What stands before a program's own words so that it runs as that user and can become no other.

    For programs that an event loop starts; uvloop can't do that itself.
    """
    if run_as is None:
        return []
    uid, gid = owner_ids(run_as)
    return ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs", "--"]


def wait_until_shown(process: subprocess.Popen[bytes]) -> None:
    """Until the kernel shows the new program's arguments, which we know it by: Popen returns a moment before."""
    ours = look_at(os.getpid())
    while (child := look_at(process.pid)) and child.arguments in ((), ("",), ours and ours.arguments):
        time.sleep(0.001)


def said_in(log: Path) -> str:
    """What a detached program has said so far; empty when there is no log."""
    try:
        return log.read_bytes().rstrip(b"\0").decode(errors="replace")
    except FileNotFoundError:
        return ""


def last_lines(text: str, count: int = 6) -> str:
    """The end of a program's output, as an error quotes it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-count:]) or "It said nothing."
