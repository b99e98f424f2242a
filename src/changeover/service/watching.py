"""Lets the parent check the progress of a child, whose event loop sends beats through a pipe. Standard library only.

Silence counts only while the parent itself runs, so nothing is replaced after a machine slept or the parent was stopped. No wall
clock is read. Silence of a child that waits for a disk, or for its turn on a busy CPU, does not count either.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

BEAT_S = 0.5
LONGEST_STEP_S = 1.0
"""The most silence that is counted between two checks, however far apart they were."""
LONGEST_LOOK_S = 5.0
"""The same if each check waits for an answer itself."""
WHY = {
    "T": "it was stopped by a signal",
    "t": "a debugger stopped it",
    "S": "its event loop is blocked",
    "R": "it is in an endless loop",
}


@dataclass
class Silence:
    """How long a process has not answered although it could."""

    pid: int
    silent_s: float = field(default=0.0, kw_only=True)
    why: str = field(default="", kw_only=True)
    _looked_at: float = field(default_factory=time.monotonic, kw_only=True)
    _cpu_ticks: int = field(default=0, kw_only=True)

    def count(self, *, has_answered: bool, longest_step_s: float = LONGEST_STEP_S) -> float:
        """Call repeatedly. An answer resets the silence. One call adds at most `longest_step_s`."""
        now = time.monotonic()
        passed, self._looked_at = min(now - self._looked_at, longest_step_s), now
        seen = _look_at(self.pid)
        if has_answered:
            self.silent_s, self.why = 0.0, ""
        elif seen is not None:
            self.silent_s += min(passed, seen.could_run_s(self._cpu_ticks))
            self.why = WHY.get(seen.state, f"its state is {seen.state}")
        self._cpu_ticks = seen.cpu_ticks if seen else 0
        return self.silent_s


@dataclass
class Watch(Silence):
    """Watches one child. `read_end` is the reading end of the pipe for the child's beats."""

    read_end: int
    has_begun: bool = field(default=False, kw_only=True)
    """It has sent at least one beat."""

    def look(self) -> float:
        """How long it has made no progress although it could."""
        has_beaten = self._has_beaten()
        self.has_begun = self.has_begun or has_beaten
        return self.count(has_answered=has_beaten)

    def _has_beaten(self) -> bool:
        with suppress(BlockingIOError):
            return bool(os.read(self.read_end, 4096))
        return False


class Patience:
    """Decides when a program that the worker checks every second may be replaced."""

    def __init__(self, name: str, after_s: float) -> None:
        self._name, self._after_s = name, after_s
        self._silence: Silence | None = None

    def answered(self) -> None:
        self._silence = None

    def is_over(self, pid: int | None) -> bool:
        """`pid` is that of the program that did not answer. None if there is none, so there is nothing to wait for."""
        if pid is None:
            self._silence = None
            return True
        if self._silence is None or self._silence.pid != pid:
            self._silence = Silence(pid)
        silent_s, why = self._silence.count(has_answered=False, longest_step_s=LONGEST_LOOK_S), self._silence.why
        if silent_s <= self._after_s:
            return False
        log.error(
            "the %s (process %d) has not answered for %.0f seconds: %s; it is replaced", self._name, pid, silent_s, why
        )
        self._silence = None
        return True


@dataclass(frozen=True)
class _Seen:
    state: str
    cpu_ticks: int

    def could_run_s(self, cpu_ticks: int) -> float:
        """Zero while it waits for a disk. While it is ready to run, only the time on a CPU counts."""
        if self.state == "D":
            return 0.0
        if self.state == "R":
            return (self.cpu_ticks - cpu_ticks) / os.sysconf("SC_CLK_TCK")
        return math.inf


def _look_at(pid: int) -> _Seen | None:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return _Seen(words[0], int(words[11]) + int(words[12]))


async def keep_beating(write_end: int) -> None:
    """Runs in the child as long as its event loop runs. Never blocks if the parent does not read."""
    os.set_blocking(write_end, False)
    while True:
        with suppress(BlockingIOError, BrokenPipeError):  # the pipe of a stopped parent is full, or the parent is gone
            os.write(write_end, b".")
        await asyncio.sleep(BEAT_S)
