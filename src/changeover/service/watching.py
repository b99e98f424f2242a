"""How the parent knows that a child makes progress: the child's event loop beats through a pipe. Standard library only.

A child is judged by what it does while it can. Silence counts only while the parent itself runs, so a machine that
slept or a parent that was stopped blames nobody. No wall clock is read. Silence of a child that waits for a disk, or
that waits for its turn on a busy CPU, does not count either.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

BEAT_S = 0.5
LONGEST_STEP_S = 1.0
"""At most this much silence is counted between two looks, however far apart they were."""
WHY = {
    "T": "it was stopped by a signal",
    "t": "a debugger holds it",
    "S": "its event loop is blocked",
    "R": "it is busy without end",
}


@dataclass
class Watch:
    """Judges one process. `ear` is the reading end of the pipe that the child beats into."""

    pid: int
    ear: int
    silent_s: float = 0.0
    why: str = ""
    has_begun: bool = False
    """It has beaten at least once."""
    _looked_at: float = field(default_factory=time.monotonic)
    _cpu_ticks: int = 0

    def look(self) -> float:
        """For how long it has made no progress although it could."""
        now = time.monotonic()
        passed, self._looked_at = min(now - self._looked_at, LONGEST_STEP_S), now
        seen = _look_at(self.pid)
        if self._has_beaten():
            self.silent_s, self.why, self.has_begun = 0.0, "", True
        elif seen is not None:
            self.silent_s += min(passed, seen.could_run_s(self._cpu_ticks))
            self.why = WHY.get(seen.state, f"its state is {seen.state}")
        self._cpu_ticks = seen.cpu_ticks if seen else 0
        return self.silent_s

    def _has_beaten(self) -> bool:
        with suppress(BlockingIOError):
            return bool(os.read(self.ear, 4096))
        return False


@dataclass(frozen=True)
class _Seen:
    state: str
    cpu_ticks: int

    def could_run_s(self, cpu_ticks: int) -> float:
        """Nothing while it waits for a disk. One that is ready to run could do so for as long as it was given a CPU."""
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


async def keep_beating(mouth: int) -> None:
    """In the child, for as long as its event loop turns. A parent that does not read blocks nobody."""
    os.set_blocking(mouth, False)
    while True:
        with suppress(BlockingIOError, BrokenPipeError):  # the parent is stopped and the pipe is full, or it is gone
            os.write(mouth, b".")
        await asyncio.sleep(BEAT_S)
