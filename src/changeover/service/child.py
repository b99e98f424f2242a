"""A child of the parent: starts it, evaluates its exit, and checks its progress."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from changeover.service.forked import Forked, fork
from changeover.service.places import Places
from changeover.service.watching import Watch

log = logging.getLogger("changeover.parent")

QUICK_DEATH_S = 2.0
LONGEST_PAUSE_S = 5.0
LONGEST_START_S = 60.0
"""Minimum with any setting, because a process loads its modules before its first beat."""


@dataclass
class Child:
    """One of our processes, and when it may be restarted."""

    name: str
    live: Callable[[int], int]
    """The main function of the process. Gets the file descriptor for its beats, returns the exit code."""
    keep: tuple[int, ...] = ()
    process: Forked | None = None
    pidfd: int = -1
    watch: Watch | None = None
    began_at: float = 0
    quick_deaths: int = 0
    not_before: float = 0

    def start(self, places: Places) -> None:
        """Its log is in HOME/log. Other output, such as a crash of Python, goes to NAME.stderr there."""
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        try:
            with (places.logs / f"{self.name}.stderr").open("ab") as errors:
                said = errors.fileno()
                self.process = fork(
                    f"changeover {self.name} --data-dir={places.home}", lambda: self.live(write_end),
                    stdout=said, stderr=said, keep=(*self.keep, write_end),
                )  # fmt: skip
        except OSError:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self.watch = Watch(self.process.pid, read_end)
        self.pidfd = os.pidfd_open(self.process.pid)
        self.began_at = time.monotonic()

    def try_to_start(self, places: Places) -> None:
        """Like `start`. If the host can't create the process, logs that and retries later."""
        try:
            self.start(places)
        except OSError as error:
            self.not_before = time.monotonic() + LONGEST_PAUSE_S
            log.error("the %s does not start: %s; trying again", self.name, error)  # noqa: TRY400 - not a bug

    def end_if_frozen(self, after_s: float) -> None:
        """Kill the process if it has made no progress for `after_s`. Its successor may act only once it is dead."""
        if self.process is None or self.watch is None:
            return
        silent_s = self.watch.look()
        if silent_s > (after_s if self.watch.has_begun else max(after_s, LONGEST_START_S)):
            log.error("the %s (process %d) has made no progress for %.0f seconds: %s; it is killed and replaced",
                      self.name, self.process.pid, silent_s, self.watch.why)  # fmt: skip
            self.process.kill()
            self.watch.silent_s = 0.0

    def reap(self) -> bool:
        """Whether it has died. If so, logs that and sets when it may be restarted."""
        if self.process is None or (code := self.process.poll()) is None:
            return False
        pid = self.process.pid
        self.forget()
        was_quick = time.monotonic() - self.began_at < QUICK_DEATH_S
        self.quick_deaths = self.quick_deaths + 1 if was_quick else 0
        pause = min(LONGEST_PAUSE_S, 0.1 * 2**self.quick_deaths) if was_quick else 0.0
        self.not_before = time.monotonic() + pause
        log.warning("the %s (process %d) ended: %s; it is started again", self.name, pid, how_it_ended(code))
        return True

    def forget(self) -> None:
        """Release the resources of an ended process."""
        os.close(self.pidfd)
        if self.watch is not None:
            os.close(self.watch.read_end)
        self.process, self.pidfd, self.watch = None, -1, None


def how_it_ended(code: int) -> str:
    """`code` like Popen's: negative for a signal."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
