"""Our supervisord: supervisor's own, with four changes that it has no settings for. A process of its own.

It wakes when a dyno dies instead of up to a second later; it tells by which signal a process ended (as 128 and its
number, like a shell); its events carry that exit code; and it polls only what it still wants to read or write.
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
"""supervisord reaps at the end of one round of its loop, starts anew in the next, and tells listeners in the third."""
DEATH, ROUND = bytes([signal.SIGCHLD]), b"\0"


class Alarm:
    """Makes the loop go round when a child dies; looks to it like one more connection."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._ear, self._bell = socket.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)

    def fileno(self) -> int:
        return self._ear.fileno()

    def readable(self) -> bool:
        """Asked in each round, and so at least once a second."""
        self._home.look()
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        """One byte a round, so that what is left brings the next."""
        if self._ear.recv(1) == DEATH:
            self._bell.send(ROUND * ROUNDS_AFTER_A_DEATH)

    def handle_error(self) -> None:
        raise  # noqa: PLE0704 - called by supervisord inside its own except


class Home:
    """Whether there still is one. Without it nobody could speak to us, and the log keeper could not start again."""

    def __init__(self, configuration: str) -> None:
        self._configuration = configuration
        self._ends: threading.Thread | None = None

    def look(self) -> None:
        """Gone: end what else runs over it, then ourselves with all dynos. In a thread, for the loop reaps meanwhile."""
        if self._ends is None and not os.path.exists(self._configuration):  # noqa: PTH110 - asked in each round
            self._ends = threading.Thread(target=self._end, name="end", daemon=True)
            self._ends.start()

    def _end(self) -> None:
        home = Path(self._configuration).parents[1]
        asyncio.run(end_all(lambda: followers_over(home), gently=signal.SIGTERM))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LAST_WORD_S)  # a shutdown that waits for what is gone
        os._exit(1)


class Poller(poller.BasePoller):  # type: ignore[misc]
    """Polls for one round, then forgets: the loop registers what it wants in each round.

    supervisor's own remembers descriptors by number. After a connection is closed, its number may become a dyno's standard
    input, which nobody reads. The kernel reports that as an error at once, again and again, and the loop never rests.
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
        """Nothing to do: it was for that round only."""

    def unregister_writable(self, fd: int) -> None:
        """Likewise."""

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        """A broken descriptor is ready for all that was wanted of it: whoever uses it learns of the error, and closes it."""
        wanted, self._wanted = self._wanted, {}
        kernel = select.poll()
        for fd, events_wanted in wanted.items():
            kernel.register(fd, events_wanted)
        ready = [(fd, wanted[fd] if found & self.BROKEN else found) for fd, found in kernel.poll(timeout * 1000)]
        return [fd for fd, found in ready if found & self.READ], [fd for fd, found in ready if found & self.WRITE]


class Supervisor(original.Supervisor):  # type: ignore[misc]
    """Hangs the alarm into the loop."""

    def runforever(self) -> None:
        self.options.poller = Poller(self.options)
        alarm = Alarm(Home(self.options.configfile))
        self.options.get_socket_map()[alarm.fileno()] = alarm
        super().runforever()


def exit_code(status: int) -> int:
    """As a shell has it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def teach_exit_codes() -> None:
    """Every process remembers how it ended, in its events and as `spawnerr` of what the RPC interface says of it."""
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
