"""Follows Caddy's access log and passes it on as the apps' router log lines.

Resumes where it stopped, even after rotations. Keeps one chunk and one incomplete line in memory.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from changeover.runtime.router.lines import DYNO, SOURCE, router_line
from changeover.runtime.router.places import RouterPlaces

POLL_S = 0.25
WITHOUT_S = 2.0
"""Nothing has been deployed yet, or there was no request since."""
CHUNK_BYTES = 128 * 1024

Append = Callable[[str, str, str, str], None]
DynoNames = Callable[[str], Mapping[int, str]]


async def follow_access_log(places: RouterPlaces, append: Append, dyno_names: DynoNames) -> None:
    """Runs forever: each request becomes `append(app, "heroku", "router", text)`. `dyno_names(app)`: its web dynos by port.

    Run it in one process only. If killed, it repeats at most the lines of its last chunk.
    """
    tail = Tail(places.access_log, places.home / "access.position")
    try:
        while True:
            lines = tail.read()
            for line in lines:
                if said := _app_and_record(line):
                    app, record = said
                    append(app, SOURCE, DYNO, router_line(record, dyno_names(app)))
            tail.save()
            await asyncio.sleep(0 if lines else POLL_S if tail.is_open else WITHOUT_S)
    finally:
        tail.close()


def _app_and_record(line: bytes) -> tuple[str, dict[str, Any]] | None:
    """None if it isn't a request to an app, for example a line that a killed Caddy left incomplete."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("app"), str):
        return None
    return record["app"], record


@dataclass
class Tail:
    """The lines of a file that another process writes and rotates. (Caddy renames it and creates a new one.)"""

    path: Path
    position: Path
    """The file that stores which log file was read up to where."""
    _file: BinaryIO | None = None
    _offset: int = 0
    """The position after the last complete line."""
    _saved: tuple[int, int] = (0, 0)
    _is_too_long: bool = False

    @property
    def is_open(self) -> bool:
        return self._file is not None

    def read(self) -> list[bytes]:
        """The next complete lines, at most a chunk. Empty if there are none yet."""
        file = self._file or self._open()
        if file is None:
            return []
        newer = self._newer_than(file)  # check before reading: once a newer file exists, ours is complete
        file.seek(self._offset)
        chunk = file.read(CHUNK_BYTES)
        end = chunk.rfind(b"\n") + 1
        if end:
            self._offset += end
            lines = chunk[:end].splitlines()[1 if self._is_too_long else 0 :]
            self._is_too_long = False
            return lines
        if len(chunk) == CHUNK_BYTES:  # an oversized line: skip it
            self._offset += len(chunk)
            self._is_too_long = True
        elif newer:
            self._turn_to(newer)
        else:
            return []
        return self.read()

    def save(self) -> None:
        if self._file is None:
            return
        now = (os.fstat(self._file.fileno()).st_ino, self._offset)
        if now != self._saved:
            fresh = self.position.with_name(f"{self.position.name}.new")
            fresh.write_text(f"{now[0]} {now[1]}\n")
            fresh.replace(self.position)
            self._saved = now

    def close(self) -> None:
        self.save()
        if self._file:
            self._file.close()
            self._file = None

    def _open(self) -> BinaryIO | None:
        """Where it stopped last time if that file still exists, else at the beginning of the current one."""
        inode, offset = self._remembered()
        for path in self._files():
            if path.stat().st_ino == inode:
                return self._turn_to(path, offset)
        return self._turn_to(self.path) if self.path.exists() else None

    def _turn_to(self, path: Path, offset: int = 0) -> BinaryIO:
        if self._file:
            self._file.close()
        self._file = path.open("rb")
        is_same = os.fstat(self._file.fileno()).st_size >= offset
        self._offset, self._is_too_long = (offset if is_same else 0), False
        return self._file

    def _remembered(self) -> tuple[int, int]:
        try:
            inode, offset = self.position.read_text().split()
            return int(inode), int(offset)
        except (FileNotFoundError, ValueError):
            return 0, 0

    def _files(self) -> Iterator[Path]:
        """The oldest first, the current one last."""
        rotated = self.path.parent.glob(f"{self.path.stem}-*{self.path.suffix}")
        yield from sorted(rotated, key=lambda path: path.stat().st_mtime_ns)
        if self.path.exists():
            yield self.path

    def _newer_than(self, file: BinaryIO) -> Path | None:
        """The next file, if this one was rotated. None if it is the current one."""
        ours = os.fstat(file.fileno()).st_ino
        files = list(self._files())
        numbers = [path.stat().st_ino for path in files]
        if not files or numbers[-1] == ours:
            return None
        return files[numbers.index(ours) + 1] if ours in numbers else files[0]
