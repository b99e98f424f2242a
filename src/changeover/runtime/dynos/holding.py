"""Holds a dyno together: when its command ends or its launcher dies, everything it started ends.

The launcher forks a holder, and the holder forks the command. As root, the holder is the first process of a PID namespace,
so the kernel kills all others with it. Otherwise launcher and holder are child subreapers: a process that detaches becomes a
child of one of them and is killed. Each notices the other's death, so killing one of the two doesn't leave processes behind.

launch.py imports this file, and none of our packages are available.
"""

from __future__ import annotations

# ruff: noqa: PTH208 - pathlib would take longer to import than the rest
import contextlib
import os
import select
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

END_ALL = signal.SIGUSR1
"""Tells a launcher to end all its processes."""
LEFT_TO_THE_COMMAND = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
KILLED = 128 + signal.SIGKILL
NEW_PIDS, CHILD_SUBREAPER = 0x20000000, 36
"""Constants of unshare(2) and prctl(2)."""
LOOK_AGAIN_S = 0.005


def hold(
    become: Callable[[], NoReturn], give_up_root: Callable[[], None], *, wants_namespace: bool, keeps_streams: bool
) -> int:
    """Run the command until it and everything it started has ended. Returns its exit code, or 128 plus the signal's number.

    `become` executes the command. `give_up_root` is for the holder, which needs no privileges. Termination signals are handled
    by the command, which is in the launcher's process group. Unless `keeps_streams`, only the command has the standard streams.
    """
    read_end, write_end = os.pipe()
    signal.signal(END_ALL, lambda *_: os.dup2(read_end, write_end))  # closes the last writer
    has_namespace = wants_namespace and _call("unshare", NEW_PIDS)
    if not has_namespace:
        _call("prctl", CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_THE_COMMAND)
    holder = os.fork()
    if holder == 0:
        signal.signal(END_ALL, signal.SIG_IGN)
        os.close(write_end)
        os._exit(_hold(read_end, become, give_up_root, has_namespace=has_namespace, keeps_streams=keeps_streams))
    if _leave_to_the_command():
        os.kill(os.getpid(), END_ALL)
    if not keeps_streams:
        _let_go_of_streams()
    code = None
    while code is None:
        code = _reap(holder, 0)
    _end_children()
    return code


def _hold(
    launcher: int,
    become: Callable[[], NoReturn],
    give_up_root: Callable[[], None],
    *,
    has_namespace: bool,
    keeps_streams: bool,
) -> int:
    """The holder's main function. `launcher` is a pipe that ends when the launcher does."""
    if not has_namespace:
        _call("prctl", CHILD_SUBREAPER, 1, 0, 0, 0)
    command = os.fork()
    if command == 0:
        os.close(launcher)
        signal.signal(END_ALL, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, LEFT_TO_THE_COMMAND)
        become()
    for number in _leave_to_the_command():
        os.kill(command, number)
    if not keeps_streams:
        _let_go_of_streams()
    os.setpgid(0, 0)  # supervisord kills the launcher's whole group
    give_up_root()
    code = _wait(command, launcher)
    if not has_namespace:
        _end_children()
    return code


def _leave_to_the_command() -> set[signal.Signals]:
    """Ignore termination signals from now on. Returns those that arrived before the command could get them."""
    came: set[signal.Signals] = signal.sigpending() & set(LEFT_TO_THE_COMMAND)
    for number in LEFT_TO_THE_COMMAND:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, LEFT_TO_THE_COMMAND)
    return came


def _let_go_of_streams() -> None:
    """Close them, so that the other end notices when the command closes them."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)


def _wait(command: int, launcher: int) -> int:
    """Reap orphans until the command or the launcher ends."""
    woken, bell = os.pipe()
    for end in (woken, bell):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    while (code := _reap(command, os.WNOHANG)) is None:
        ready, _, _ = select.select([woken, launcher], [], [])
        if launcher in ready:
            return KILLED
        os.read(woken, 4096)
    return code


def _reap(wanted: int, how: int) -> int | None:
    """The exit code of this child if it has ended. Also reaps other children."""
    while True:
        pid, status = os.waitpid(-1, how)
        if pid == 0:
            return None
        if pid == wanted:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _end_children() -> None:
    """Kill every child. Their children then become ours and are killed too."""
    while True:
        for pid in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(LOOK_AGAIN_S)


def _children() -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if entry.isdigit() and parent == os.getpid():
            found.append(int(entry))
    return found


def _call(name: str, *arguments: int) -> bool:
    """Calls a function of libc. Returns whether it succeeded."""
    import ctypes  # noqa: PLC0415 - it takes as long to load as everything else

    result: int = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    return result == 0
