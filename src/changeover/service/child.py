"""One child of the parent: how it is started, what its end means, and whether it makes progress."""

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
"""However impatient the setting is: until its first beat a process loads its programs."""


@dataclass
class Child:
    """One of our processes: what to start, and when it may be started again."""

    name: str
    live: Callable[[int], int]
    """Its whole life, given the file descriptor that it beats into; its exit code."""
    keep: tuple[int, ...] = ()
    process: Forked | None = None
    pidfd: int = -1
    watch: Watch | None = None
    began_at: float = 0
    quick_deaths: int = 0
    not_before: float = 0

    def start(self, places: Places) -> None:
        """Its own log goes to HOME/log; what it says besides (a crash of Python itself), to NAME.stderr there."""
        ear, mouth = os.pipe()
        os.set_blocking(ear, False)
        try:
            with (places.logs / f"{self.name}.stderr").open("ab") as errors:
                said = errors.fileno()
                self.process = fork(
                    f"changeover {self.name} --data-dir={places.home}", lambda: self.live(mouth),
                    stdout=said, stderr=said, keep=(*self.keep, mouth),
                )  # fmt: skip
        except OSError:
            os.close(ear)
            raise
        finally:
            os.close(mouth)
        self.watch = Watch(self.process.pid, ear)
        self.pidfd = os.pidfd_open(self.process.pid)
        self.began_at = time.monotonic()

    def try_to_start(self, places: Places) -> None:
        """As `start`; where the host has no room for it, that is said, and tried again."""
        try:
            self.start(places)
        except OSError as error:
            self.not_before = time.monotonic() + LONGEST_PAUSE_S
            log.error("the %s does not start: %s; trying again", self.name, error)  # noqa: TRY400 - no bug of ours

    def end_if_frozen(self, after_s: float) -> None:
        """Kill the process if it has made no progress for that long: its successor may act only once it is dead."""
        if self.process is None or self.watch is None:
            return
        silent_s = self.watch.look()
        if silent_s > (after_s if self.watch.has_begun else max(after_s, LONGEST_START_S)):
            log.error("the %s (process %d) has made no progress for %.0f seconds: %s; it is killed and replaced",
                      self.name, self.process.pid, silent_s, self.watch.why)  # fmt: skip
            self.process.kill()
            self.watch.silent_s = 0.0

    def reap(self) -> bool:
        """Whether it has died; then says so, and when it may come back."""
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
        """After its end: close what belonged to it."""
        os.close(self.pidfd)
        if self.watch is not None:
            os.close(self.watch.ear)
        self.process, self.pidfd, self.watch = None, -1, None


def how_it_ended(code: int) -> str:
    """`code` as Popen has it: negative for a signal."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
