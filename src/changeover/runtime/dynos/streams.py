"""One dyno's pipe: reads its output and appends it to its app's log. Knows nothing of supervisord."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from changeover.runtime.dynos.log_store import LogStore, clean, stamped
from changeover.runtime.dynos.log_streams import Lines
from changeover.runtime.dynos.places import Places, parts_of

log = logging.getLogger(__name__)

BLOCK_BYTES = 128 * 1024
PIPE_BYTES = 256 * 1024
MOST_OUTPUT_BYTES = 1_000_000
TELL_DROPPED_S = 1.0


class Stream:
    """`pipe` is its descriptor, to wait for data."""

    def __init__(self, key: str, places: Places, store: LogStore) -> None:
        self.key, (self.app, self.name, self.kind) = key, parts_of(key)
        self.sheet = read_sheet(places, key)
        self.pipe = os.open(places.pipe(key), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(PermissionError):  # a user's total pipe memory is limited
            fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._store, self._lines = store, Lines()
        self._told_dropped_at, self._dropping_since = 0.0, ""

    def read(self) -> bool:
        """Read one block, if available."""
        try:
            block = os.read(self.pipe, BLOCK_BYTES)
        except BlockingIOError:
            return False
        self._copy(block)
        self._say(self._lines.feed(block))
        if self._lines.dropped and not self._dropping_since:
            self._dropping_since = datetime.now(UTC).isoformat(timespec="seconds")
        return True

    def drain(self) -> None:
        """Read all available output, at most as much as the pipe can hold."""
        for _ in range(PIPE_BYTES // BLOCK_BYTES + 1):
            if not self.read():
                return

    def note(self, text: str) -> None:
        """Append a line of ours about it."""
        self._append(stamped("heroku", self.name, clean(text)))

    def tell_dropped(self, *, at_once: bool = False) -> None:
        """Report how many lines were dropped since the last report."""
        now = time.monotonic()
        if self._lines.dropped and (at_once or now - self._told_dropped_at >= TELL_DROPPED_S):
            since, dropped = self._dropping_since, self._lines.take_dropped()
            self.note(f"Error L10 (output buffer overflow): {dropped} messages dropped since {since}.")
            self._told_dropped_at, self._dropping_since = now, ""

    def finish(self) -> None:
        """Read all remaining output, including an incomplete last line."""
        self.drain()
        self._say(self._lines.flush())
        self.tell_dropped(at_once=True)

    def close(self) -> None:
        self.finish()
        os.close(self.pipe)

    def _say(self, whole_lines: bytes) -> None:
        if whole_lines:
            self._append(stamped("app", self.name, clean(whole_lines.decode(errors="replace"))))

    def _append(self, lines: bytes) -> None:
        """A full disk loses lines, but never delays a dyno."""
        try:
            self._store.append_lines(self.app, lines)
        except OSError as error:
            self._lines.dropped += lines.count(b"\n")
            self._dropping_since = self._dropping_since or datetime.now(UTC).isoformat(timespec="seconds")
            log.warning("lines of %s are lost: %s", self.key, error)

    def _copy(self, block: bytes) -> None:
        if not (output := self.sheet.get("output")):
            return
        try:
            with Path(output).open("ab") as file:
                file.write(block[: max(0, MOST_OUTPUT_BYTES - file.tell())])
        except OSError as error:
            log.warning("output of %s is lost: %s", self.key, error)


def read_sheet(places: Places, key: str) -> dict[str, Any]:
    """Empty when the dyno is gone."""
    try:
        sheet: dict[str, Any] = json.loads(places.sheet(key).read_text())
    except FileNotFoundError:
        return {}
    return sheet
