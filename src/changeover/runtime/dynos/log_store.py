"""Log lines on disk, one folder for each app. Several processes write and read them. Their size is limited.

A folder contains numbered segments. Lines are appended to the last one under a lock. When it is full, a new one is started
and the oldest is removed. A line's id is its segment's number and the offset of its end.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shutil
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from changeover.runtime.dynos.places import SAFE_APP
from changeover.runtime.runtime import LogLine

SEGMENT_BYTES, SEGMENTS = 2_000_000, 5
BLOCK_BYTES = 64 * 1024
LONGEST_LINE = 10_000
LOOK_AGAIN_S = 0.25
UNSEEN = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f\x80-\x9f\u2028\u2029]")
"""Control characters that could affect a terminal. Colors and tabs are kept."""


def clean(text: str) -> list[str]:
    """The text as lines that are safe to display. Lines longer than 10,000 characters are split."""
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "" and len(lines) > 1:
        lines.pop()
    shown = (UNSEEN.sub("", line) for line in lines)
    return [piece for line in shown for piece in _pieces(line)]


def _pieces(line: str) -> list[str]:
    return [line[start : start + LONGEST_LINE] for start in range(0, len(line), LONGEST_LINE)] or [""]


def stamped(source: str, dyno: str, lines: list[str]) -> bytes:
    """The lines in the usual format, with the current time."""
    prefix = f"{datetime.now(UTC).isoformat(timespec='microseconds')} {source}[{dyno}]: "
    return "".join([f"{prefix}{line}\n" for line in lines]).encode(errors="replace")


@dataclass(frozen=True)
class Filter:
    """Selects lines by their source and dyno."""

    source: str | None
    dyno: str | None

    def passes(self, line: bytes) -> bool:
        if self.source is None and self.dyno is None:
            return True
        source, _, rest = line.partition(b" ")[2].partition(b"[")
        dyno = rest.partition(b"]")[0].decode(errors="replace")
        return self._passes_source(source.decode(errors="replace"), dyno) and self._passes_dyno(dyno)

    def _passes_source(self, source: str, dyno: str) -> bool:
        if self.source == "router":
            return source == "heroku" and dyno == "router"
        return self.source in (None, source)

    def _passes_dyno(self, dyno: str) -> bool:
        return self.dyno in (None, dyno, dyno.rpartition(".")[0])


class LogStore:
    """The log lines of all apps, in `folder`."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, segments: int = SEGMENTS) -> None:
        self._folder = folder
        self._segment_bytes, self._segments = segment_bytes, segments

    def append(self, app: str, source: str, dyno: str, text: str) -> None:
        """Raises OSError when the disk is full, without appending anything. Source `router` is written as Heroku does."""
        source, dyno = ("heroku", "router") if source == "router" else (source, dyno)
        self.append_lines(app, stamped(source, dyno, clean(text)))

    def append_lines(self, app: str, lines: bytes) -> None:
        """Append complete `stamped` lines, all or none."""
        folder = self._of(app)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self._writable(folder)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                _write_all_or_nothing(handle, lines)
            finally:
                os.close(handle)

    def last(self, app: str, lines: int, *, source: str | None = None, dyno: str | None = None) -> list[LogLine]:
        """The newest lines, oldest first."""
        wanted, found = Filter(source, dyno), deque[LogLine]()
        for number in reversed(_numbers(self._of(app))):
            for line in _backwards(self._of(app) / _name(number), number):
                if len(found) >= lines:
                    return list(found)
                if wanted.passes(line[1]):
                    found.appendleft(_line(*line))
        return list(found)

    async def follow(
        self, app: str, after_id: str | None = None, *, source: str | None = None, dyno: str | None = None
    ) -> AsyncIterator[LogLine]:
        """Every line after that one, forever. Without a valid id, every new line. Skips removed lines."""
        wanted, folder = Filter(source, dyno), self._of(app)
        number, offset = _place(after_id) or _end(folder)
        while True:
            newest = max(_numbers(folder), default=number)
            for line in _forwards(folder / _name(number), number, offset):
                offset = line[0][1]
                if wanted.passes(line[1]):
                    yield _line(*line)
            if number == newest:
                await asyncio.sleep(LOOK_AGAIN_S)
            else:  # or it was forgotten and started over
                number, offset = _next(folder, number), 0

    def forget(self, app: str) -> None:
        """Remove all of an app's lines."""
        shutil.rmtree(self._of(app), ignore_errors=True)

    def _of(self, app: str) -> Path:
        if not SAFE_APP.fullmatch(app):
            raise ValueError(f"not the key of an app: {app!r}")
        return self._folder / app

    def _writable(self, folder: Path) -> Path:
        """The last segment, or a new one if it is full. Then removes the oldest."""
        numbers = _numbers(folder)
        newest = numbers[-1] if numbers else 1
        path = folder / _name(newest)
        if not numbers or path.stat().st_size < self._segment_bytes:
            return path
        for number in numbers[: max(0, len(numbers) + 1 - self._segments)]:
            (folder / _name(number)).unlink()
        return folder / _name(newest + 1)


def _write_all_or_nothing(handle: int, lines: bytes) -> None:
    size = os.fstat(handle).st_size
    try:
        written = os.write(handle, lines)
        while written < len(lines):
            written += os.write(handle, lines[written:])
    except OSError:
        os.ftruncate(handle, size)
        raise


def _name(number: int) -> str:
    return f"{number:08}.log"


def _numbers(folder: Path) -> list[int]:
    """The numbers of existing segments, in order."""
    try:
        return sorted(int(path.stem) for path in folder.iterdir() if path.suffix == ".log" and path.stem.isdigit())
    except FileNotFoundError:
        return []


def _next(folder: Path, number: int) -> int:
    numbers = _numbers(folder)
    return min((one for one in numbers if one > number), default=max(numbers, default=number))


def _end(folder: Path) -> tuple[int, int]:
    newest = max(_numbers(folder), default=1)
    path = folder / _name(newest)
    return newest, path.stat().st_size if path.exists() else 0


def _place(line_id: str | None) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d{1,12})-(\d{1,12})", line_id or "")
    return (int(found[1]), int(found[2])) if found else None


Place = tuple[int, int]


def _line(place: Place, line: bytes) -> LogLine:
    return LogLine(f"{place[0]}-{place[1]}", line.decode(errors="replace"))


def _forwards(path: Path, number: int, offset: int) -> Iterator[tuple[Place, bytes]]:
    """Complete lines from `offset`, each with the position of its end."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield (number, offset), line[:-1]


def _backwards(path: Path, number: int) -> Iterator[tuple[Place, bytes]]:
    """Complete lines from the end backwards, each with the position of its end."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        start, tail = file.seek(0, os.SEEK_END), b""
        while start > 0:
            end = start + len(tail)
            begin = max(0, start - BLOCK_BYTES)
            file.seek(begin)
            block = file.read(start - begin) + tail
            cut = block.find(b"\n") + 1 if begin > 0 else 0
            tail, start = (block[:cut] or block) if begin > 0 else b"", begin
            lines = block[cut:].split(b"\n") if cut or begin == 0 else [b""]
            end -= len(lines.pop())
            for line in reversed(lines):
                yield (number, end), line
                end -= len(line) + 1
