"""Holds a dyno together: when its command ends, or its launcher dies, everything that it started ends.

The launcher forks a holder, and the holder forks the command. As root the holder is the first process of a PID namespace:
the kernel kills all others with it. Elsewhere launcher and holder are child subreapers: a process that detaches becomes a
child of one of them, and is killed. Each notices the other's death, so a SIGKILL to one of the two loses nothing.

launch.py imports this file, and nothing of our packages is there.
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
"""Tells a launcher to end everything that it holds."""
LEFT_TO_THE_COMMAND = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
KILLED = 128 + signal.SIGKILL
NEW_PIDS, CHILD_SUBREAPER = 0x20000000, 36
"""As unshare(2) and prctl(2) have them."""
LOOK_AGAIN_S = 0.005


def hold(
    become: Callable[[], NoReturn], give_up_root: Callable[[], None], *, wants_namespace: bool, keeps_streams: bool
) -> int:
    """Run the command to its end. Returns its exit code once nothing of it is left; 128 and the number of a signal that ended it.

    `become` executes the command. `give_up_root` is for the holder, which needs no rights. Signals to end are the command's:
    it is in the launcher's process group. Without `keeps_streams` the command alone has the standard streams.
    """
    ear, mouth = os.pipe()
    signal.signal(END_ALL, lambda *_: os.dup2(ear, mouth))  # no writer is left
    has_namespace = wants_namespace and _call("unshare", NEW_PIDS)
    if not has_namespace:
        _call("prctl", CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_THE_COMMAND)
    holder = os.fork()
    if holder == 0:
        signal.signal(END_ALL, signal.SIG_IGN)
        os.close(mouth)
        os._exit(_hold(ear, become, give_up_root, has_namespace=has_namespace, keeps_streams=keeps_streams))
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
    """The holder's life. `launcher` is a pipe that ends when the launcher does."""
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
    """Ignore signals to end from now on. Returns those that came before the command was there to get them."""
    came: set[signal.Signals] = signal.sigpending() & set(LEFT_TO_THE_COMMAND)
    for number in LEFT_TO_THE_COMMAND:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, LEFT_TO_THE_COMMAND)
    return came


def _let_go_of_streams() -> None:
    """Their other end learns when the command closes them."""
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
    """The exit code of this child if it has ended; reaps others that it meets."""
    while True:
        pid, status = os.waitpid(-1, how)
        if pid == 0:
            return None
        if pid == wanted:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _end_children() -> None:
    """Kill every child. Theirs become ours then, and are killed as well."""
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
    """A function of libc; whether it succeeded."""
    import ctypes  # noqa: PLC0415 - only here; it takes as long to load as all the rest

    result: int = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    return result == 0
