"""Caddy's access log, read as it grows and handed on as the apps' router lines.

Goes on where it was when it was stopped, over rotations too; holds one chunk and one unfinished line in memory.
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
"""Nothing was deployed yet, or no request came since."""
CHUNK_BYTES = 128 * 1024

Append = Callable[[str, str, str, str], None]
DynoNames = Callable[[str], Mapping[int, str]]


async def follow_access_log(places: RouterPlaces, append: Append, dyno_names: DynoNames) -> None:
    """For ever: each request becomes `append(app, "heroku", "router", text)`. `dyno_names(app)`: its web dynos by port.

    One process does this. Killed, it repeats at most the lines of its last chunk when it starts again.
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
    """None for what isn't a request to an app, such as a line that a killed Caddy left unfinished."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("app"), str):
        return None
    return record["app"], record


@dataclass
class Tail:
    """The lines of a file that others write and rotate (Caddy renames it and begins anew)."""

    path: Path
    position: Path
    """Remembers which file was read how far."""
    _file: BinaryIO | None = None
    _offset: int = 0
    """How far whole lines were read."""
    _saved: tuple[int, int] = (0, 0)
    _is_too_long: bool = False

    @property
    def is_open(self) -> bool:
        return self._file is not None

    def read(self) -> list[bytes]:
        """The next whole lines, at most a chunk; none when there are none now."""
        file = self._file or self._open()
        if file is None:
            return []
        newer = self._newer_than(file)  # looked up before reading: ours is complete once there is a newer one
        file.seek(self._offset)
        chunk = file.read(CHUNK_BYTES)
        end = chunk.rfind(b"\n") + 1
        if end:
            self._offset += end
            lines = chunk[:end].splitlines()[1 if self._is_too_long else 0 :]
            self._is_too_long = False
            return lines
        if len(chunk) == CHUNK_BYTES:  # longer than any line that is worth having: leave it out
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
        """Where the last one stopped, if that file is still there; else at the beginning of the present one."""
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
        """Oldest first; the present one last."""
        rotated = self.path.parent.glob(f"{self.path.stem}-*{self.path.suffix}")
        yield from sorted(rotated, key=lambda path: path.stat().st_mtime_ns)
        if self.path.exists():
            yield self.path

    def _newer_than(self, file: BinaryIO) -> Path | None:
        """The file after this one, when it was rotated away; None while it is the present one."""
        ours = os.fstat(file.fileno()).st_ino
        files = list(self._files())
        numbers = [path.stat().st_ino for path in files]
        if not files or numbers[-1] == ours:
            return None
        return files[numbers.index(ours) + 1] if ours in numbers else files[0]
