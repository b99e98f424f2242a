"""supervisor's event listener protocol: READY, a header, a payload, RESULT. Reads and writes two given descriptors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

READY, DONE = b"READY\n", b"RESULT 2\nOK"
BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Event:
    """A change of one program's state."""

    key: str
    state: str
    """STARTING, RUNNING, BACKOFF, STOPPING, EXITED, STOPPED, FATAL or UNKNOWN."""
    former: str
    exit_code: int | None


@dataclass
class Events:
    """`has_ended` is set when supervisord is gone."""

    read_end: int
    write_end: int
    has_ended: bool = False
    _waiting: bytes = field(default=b"")

    def open(self) -> None:
        os.set_blocking(self.read_end, False)
        os.write(self.write_end, READY)

    def read(self) -> Iterator[Event]:
        """The events that have arrived. Each is acknowledged once it was handled."""
        try:
            block = os.read(self.read_end, BLOCK_BYTES)
        except BlockingIOError:
            return
        self.has_ended = not block
        self._waiting += block
        while (event := self._next()) is not None:
            yield event
            os.write(self.write_end, DONE + READY)

    def _next(self) -> Event | None:
        line, newline, rest = self._waiting.partition(b"\n")
        if not newline:
            return None
        header = _words(line)
        length = int(header["len"])
        if len(rest) < length:
            return None
        payload, self._waiting = _words(rest[:length]), rest[length:]
        code = payload.get("status", "")
        state = header["eventname"].removeprefix("PROCESS_STATE_")
        return Event(payload["processname"], state, payload["from_state"], int(code) if code else None)


def _words(line: bytes) -> dict[str, str]:
    pairs = (word.partition(":") for word in line.decode().split())
    return {name: value for name, _, value in pairs}
