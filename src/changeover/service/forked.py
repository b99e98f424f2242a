"""A process forked from the parent. All modules are already imported, and their memory is shared.

Standard library only, except for the title that `ps` shows. The parent has one thread and no event loop, so no lock is held by
another thread during a fork.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from setproctitle import setproctitle

FAILED = 70
STREAMS = (0, 1, 2)


@dataclass(eq=False)
class Forked:
    """Like subprocess.Popen, but for a forked function. Only its parent may use it."""

    title: str
    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code (negative for a signal). None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout_s: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if self.poll() is None:
            handle = os.pidfd_open(self.pid)
            try:
                ended = select.poll()
                ended.register(handle, select.POLLIN)
                ended.poll(None if timeout_s is None else timeout_s * 1000)
            finally:
                os.close(handle)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.title, timeout_s or 0)
        return code

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:  # not reaped yet, so the pid is still its own
            os.kill(self.pid, number)


def fork(title: str, act: Callable[[], int], *, stdout: int, stderr: int, keep: Collection[int] = ()) -> Forked:
    """Run `act` in a new process, which exits with its return value. Only `keep` of our open files stays open there.

    Raises OSError if the host can't create the process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    allowed = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _be(lambda: _begin(title, (stdout, stderr), keep, allowed), act)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, allowed)
    return Forked(title, pid)


def _be(begin: Callable[[], None], act: Callable[[], int]) -> NoReturn:
    """Never returns, because resources in the parent's frames (locks, files) must not be released here."""
    code = FAILED
    try:
        begin()
        code = act()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else FAILED
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _begin(title: str, output: tuple[int, int], keep: Collection[int], allowed: Collection[int]) -> None:
    _close_logs()
    _take_streams(*output)
    _close_all_but(keep)
    _forget_handlers()
    signal.pthread_sigmask(signal.SIG_SETMASK, allowed)
    setproctitle(title)


def _close_logs() -> None:
    """Through the handlers themselves, which keep track of their files. The child opens its own log."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()


def _take_streams(stdout: int, stderr: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for theirs, ours in zip((null, stdout, stderr), STREAMS, strict=True):
        os.dup2(theirs, ours)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open until this process ends
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


def _close_all_but(keep: Collection[int]) -> None:
    """Above all the lock of the home and the pipes of other children, which last while any process has them open."""
    for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if number not in STREAMS and number not in keep:
            with suppress(OSError):  # the listing itself, already closed
                os.close(number)


def _forget_handlers() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
