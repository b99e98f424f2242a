"""Becomes a dyno: reads its sheet, opens its log, gives up root, and executes its command.

Runs by itself, without our packages, as `python -I -S launch.py SHEET`. For a one-off it stays beside the command and
writes down how it ended, so that nobody else has to be there at that moment.
"""

# ruff: noqa: PTH105, PTH108, PTH208
# (pathlib would take longer to import than all that happens here)
from __future__ import annotations

import errno
import fcntl
import json
import os
import pwd
import signal
import struct
import sys
import termios
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

PATIENCE_S = 3.0
LOOK_AGAIN_S = 0.01
CANNOT_START = 126
SHELL = "/bin/bash"
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def main(path: str) -> NoReturn:
    with open(path, encoding="utf-8") as file:
        sheet = json.load(file)
    if sheet.get("is_attached"):
        os.unlink(path)
        if sheet["is_tty"]:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        _become(sheet)
    _connect_to_log(sheet)
    _end_remains(sheet["mark"])
    if "exit" in sheet:
        sys.exit(_stay_beside(sheet))
    _note_start(sheet)
    _become(sheet)


# -- its log


def _connect_to_log(sheet: dict[str, Any]) -> None:
    """Standard output and error into the pipe; standard input from nowhere.

    We hold a reading end too: while the log keeper is away nobody gets SIGPIPE, and what was said stays in the pipe.
    """
    _wait_for_reader(sheet["pipe"], sheet["poke"])
    pipe = os.open(sheet["pipe"], os.O_RDWR)
    os.dup2(pipe, 1)
    os.dup2(pipe, 2)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.close(pipe)


def _wait_for_reader(pipe: str, poke: str) -> None:
    """Until the log keeper has opened the pipe, so that not even a quick death goes unseen; not for long if it is away."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        _poke(poke)
        try:
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        else:
            return
        time.sleep(LOOK_AGAIN_S)


def _poke(path: str) -> None:
    try:
        poke = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):  # no keeper: it looks around when it comes
            return
        raise
    try:
        os.write(poke, b"!")
    except BlockingIOError:
        pass  # many others have poked it
    finally:
        os.close(poke)


# -- what an earlier incarnation left behind


def _end_remains(mark: str) -> None:
    """A dyno goes as a whole: what its last process has left, and what may hold its port, is killed."""
    wanted = f"CHANGEOVER_DYNO={mark}".encode()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and _carries(entry, wanted):
            _kill(int(entry), wanted)


def _carries(pid: str, wanted: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return wanted in file.read().split(b"\0")
    except OSError:
        return False


def _kill(pid: int, wanted: bytes) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _carries(str(pid), wanted):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


# -- the command


def _note_start(sheet: dict[str, Any]) -> None:
    """Some programs overwrite their environment, and the mark in it; these two numbers still tell the process."""
    with open("/proc/self/stat", encoding="utf-8") as file:
        started_ticks = file.read().rpartition(")")[2].split()[19]
    _write_whole(sheet["started"], f"{os.getpid()} {started_ticks}\n")


def _become(sheet: dict[str, Any]) -> NoReturn:
    """The command is a line of shell by nature: its author wrote it for one. It is one argument; nothing is added to it."""
    try:
        _give_up_root(sheet["user"])
        os.umask(0o077)
        os.chdir(sheet["directory"])
        for number in IGNORED_BY_PYTHON:
            signal.signal(number, signal.SIG_DFL)
        os.execve(SHELL, [SHELL, "-c", sheet["command"]], sheet["environment"])  # noqa: S606
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        os.write(2, f"The command could not be started:{where}: {error.strerror}\n".encode())
        os._exit(CANNOT_START)


def _give_up_root(user: str | None) -> None:
    if user is None:
        return
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


# -- one-offs


def _stay_beside(sheet: dict[str, Any]) -> int:
    """Start the command in a group of its own, wait for it, write down its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _note_start(sheet)
        _become(sheet)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = code if code >= 0 else 128 - code
    _end_remains(sheet["mark"])
    _write_whole(sheet["exit"], f"{code}\n")
    _poke(sheet["poke"])
    _wait_until_read()
    return code


def _wait_until_read() -> None:
    """The pipe forgets what is in it when its last holder goes; we are that while the log keeper is away."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        waiting = struct.unpack("i", fcntl.ioctl(1, termios.FIONREAD, bytes(4)))[0]
        if waiting == 0:
            return
        time.sleep(LOOK_AGAIN_S)


def _write_whole(path: str, text: str) -> None:
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


if __name__ == "__main__":
    main(sys.argv[1])
