"""The program's progress. The phases update it in memory, and it is written to the work folder for other processes."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from changeover.postgres.progress import Progress

EVERY_S: Final = 0.25
RATE_OVER_S: Final = 20


class Telling:
    """Set its fields freely. `keep_writing` publishes them."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.phase, self.says = "connect", ""
        self.things_done = self.things_total = 0
        self.bytes_done = self.bytes_total = 0
        self.notes: list[str] = []
        """The report's remarks."""
        self.not_brought: list[str] = []
        """Objects that the notes report as missing on the target, by title in a comparison: `view public.v`."""
        self.seconds: dict[str, float] = {}
        """By phase."""
        self.is_to_end = False
        """Whether the program was told to end."""
        self._began = time.monotonic()
        self._samples: deque[tuple[float, int]] = deque()

    def enter(self, phase: str, says: str = "", *, things: int = 0) -> None:
        """Begin a new phase."""
        now = time.monotonic()
        self.seconds[self.phase] = self.seconds.get(self.phase, 0.0) + now - self._began
        self._began = now
        self.phase, self.says, self.things_done, self.things_total = phase, says, 0, things
        self._say(f"{phase}: {says}" if says else phase)

    def note(self, text: str) -> None:
        """For the report and the log."""
        if text not in self.notes:
            self.notes.append(text)
            self._say(text)

    def leave(self, label: str, title: str, because: str = "") -> None:
        """Note that an object can't be copied, so a comparison may find it missing."""
        self.note(f"Not copied: {label}.{f' {because}' if because else ''}")
        if title not in self.not_brought:
            self.not_brought.append(title)

    def _say(self, text: str) -> None:
        print(time.strftime("%H:%M:%S", time.gmtime()), text, flush=True)

    def progress(self) -> Progress:
        rate = self._rate()
        left = (self.bytes_total - self.bytes_done) / rate if rate and self.bytes_done < self.bytes_total else None
        return Progress(
            self.phase, self.says, self.things_done, self.things_total, self.bytes_done, self.bytes_total, rate, left
        )

    def _rate(self) -> float | None:
        now = time.monotonic()
        self._samples.append((now, self.bytes_done))
        while now - self._samples[0][0] > RATE_OVER_S:
            self._samples.popleft()
        then, before = self._samples[0]
        seconds = now - then
        return (self.bytes_done - before) / seconds if seconds > 1 and self.bytes_done > before else None

    async def keep_writing(self) -> None:
        """Runs until cancelled."""
        while True:
            self.write()
            await asyncio.sleep(EVERY_S)

    def write(self) -> None:
        replace_json(self.work / "progress.json", self.progress().as_dict())


def replace_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace atomically: readers see either the old or the new content."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(json.dumps(content))
    new.replace(path)
