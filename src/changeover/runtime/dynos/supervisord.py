"""Our supervisord: the original with four changes that it has no settings for. Runs as a separate process.

It wakes when a dyno dies instead of up to a second later. It reports the signal that ended a process (as 128 plus its number,
like a shell). Its events contain that exit code. It polls only descriptors that it still wants to read or write.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import supervisor.supervisord as original
from supervisor import events, poller, process

from changeover.hosts.processes import end_all
from changeover.hosts.remains import followers_over

LAST_WORD_S = 30.0
ROUNDS_AFTER_A_DEATH = 3
"""supervisord reaps at the end of one iteration of its loop, restarts in the next, and notifies listeners in the third."""
DEATH, ROUND = bytes([signal.SIGCHLD]), b"\0"


class Alarm:
    """Wakes the loop when a child dies. Looks like another connection to it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._ear, self._bell = socket.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)

    def fileno(self) -> int:
        return self._ear.fileno()

    def readable(self) -> bool:
        """Called in each iteration, at least once a second."""
        self._home.look()
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        """Reads one byte per iteration, so that remaining bytes trigger the next one."""
        if self._ear.recv(1) == DEATH:
            self._bell.send(ROUND * ROUNDS_AFTER_A_DEATH)

    def handle_error(self) -> None:
        raise  # noqa: PLE0704 - called by supervisord inside its own except


class Home:
    """Whether the home still exists. Without it, no process could connect to us, and the log keeper could not restart."""

    def __init__(self, configuration: str) -> None:
        self._configuration = configuration
        self._ends: threading.Thread | None = None

    def look(self) -> None:
        """If it is gone, end its other processes, then ourselves with all dynos. In a thread, because the loop has to reap."""
        if self._ends is None and not os.path.exists(self._configuration):  # noqa: PTH110 - asked in each round
            self._ends = threading.Thread(target=self._end, name="end", daemon=True)
            self._ends.start()

    def _end(self) -> None:
        home = Path(self._configuration).parents[1]
        asyncio.run(end_all(lambda: followers_over(home), gently=signal.SIGTERM))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LAST_WORD_S)  # in case the shutdown hangs
        os._exit(1)


class Poller(poller.BasePoller):  # type: ignore[misc]
    """Polls for one iteration, then forgets: the loop registers what it wants in each iteration.

    The original remembers descriptors by number. After a connection is closed, its number may be reused for a dyno's standard
    input, which is never read. The kernel then reports an error immediately and repeatedly, so the loop never sleeps.
    """

    READ, WRITE, BROKEN = (
        select.POLLIN | select.POLLPRI,
        select.POLLOUT,
        select.POLLERR | select.POLLHUP | select.POLLNVAL,
    )

    def initialize(self) -> None:
        self._wanted: dict[int, int] = {}

    def register_readable(self, fd: int) -> None:
        self._wanted[fd] = self._wanted.get(fd, 0) | self.READ

    def register_writable(self, fd: int) -> None:
        self._wanted[fd] = self._wanted.get(fd, 0) | self.WRITE

    def unregister_readable(self, fd: int) -> None:
        """Does nothing: it was only registered for that iteration."""

    def unregister_writable(self, fd: int) -> None:
        """Does nothing either."""

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        """A broken descriptor counts as ready for everything requested, so that its user gets the error and closes it."""
        wanted, self._wanted = self._wanted, {}
        kernel = select.poll()
        for fd, events_wanted in wanted.items():
            kernel.register(fd, events_wanted)
        ready = [(fd, wanted[fd] if found & self.BROKEN else found) for fd, found in kernel.poll(timeout * 1000)]
        return [fd for fd, found in ready if found & self.READ], [fd for fd, found in ready if found & self.WRITE]


class Supervisor(original.Supervisor):  # type: ignore[misc]
    """Adds the alarm to the loop."""

    def runforever(self) -> None:
        self.options.poller = Poller(self.options)
        alarm = Alarm(Home(self.options.configfile))
        self.options.get_socket_map()[alarm.fileno()] = alarm
        super().runforever()


def exit_code(status: int) -> int:
    """The exit code, as in a shell."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def teach_exit_codes() -> None:
    """Record how each process ended, in its events and as `spawnerr` in the RPC interface."""
    finish, make_event = process.Subprocess.finish, events.ProcessStateEvent.__init__

    def finish_and_remember(self: Any, pid: int, status: int) -> None:
        self.ended_with = exit_code(status)
        finish(self, pid, status)
        self.spawnerr = f"exit status {self.ended_with}"

    def make_event_with_code(self: Any, subject: Any, *arguments: Any, **named: Any) -> None:
        make_event(self, subject, *arguments, **named)
        self.extra_values = [*self.extra_values, ("status", getattr(subject, "ended_with", ""))]

    process.Subprocess.finish = finish_and_remember
    events.ProcessStateEvent.__init__ = make_event_with_code


if __name__ == "__main__":
    teach_exit_codes()
    original.Supervisor = Supervisor
    original.main(sys.argv[1:])
