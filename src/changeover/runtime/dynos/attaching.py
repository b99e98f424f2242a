"""One-offs attached to a client: on a terminal, or on pipes. They end when the block is left."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from changeover.hosts.processes import Process
from changeover.runtime.dynos.log_store import LogStore
from changeover.runtime.dynos.places import MARK, Places
from changeover.runtime.dynos.programs import attached_key, launching, sheet_of
from changeover.runtime.dynos.remains import bearing, gone_within, kill
from changeover.runtime.dynos.starting import Started, start_process
from changeover.runtime.dynos.writing import write_whole
from changeover.runtime.runtime import Dyno

BLOCK_BYTES = 64 * 1024
HANG_UP_S = 2.0
END_OF_INPUT = b"\x04"
Watch = Callable[[int, Callable[[], None]], Any]
Unwatch = Callable[[int], Any]


@dataclass(frozen=True)
class _Ends:
    """Our descriptors and the process's. A terminal has one on each side, for both directions."""

    ours_in: int
    ours_out: int
    theirs_in: int
    theirs_out: int
    is_tty: bool

    @classmethod
    def open(cls, owner: tuple[int, int], *, tty: bool, columns: int, rows: int) -> _Ends:
        if tty:
            ours, theirs = pty.openpty()
            os.fchown(theirs, *owner)
            _set_size(ours, columns, rows)
            ends = cls(ours, ours, theirs, theirs, is_tty=True)
        else:
            theirs_in, ours_in = os.pipe()
            ours_out, theirs_out = os.pipe()
            for pipe in (theirs_in, theirs_out):
                os.fchown(pipe, *owner)
            ends = cls(ours_in, ours_out, theirs_in, theirs_out, is_tty=False)
        for ours in {ends.ours_in, ends.ours_out}:
            os.set_blocking(ours, False)
        return ends

    def close_theirs(self) -> None:
        for theirs in {self.theirs_in, self.theirs_out}:
            os.close(theirs)


class AttachedSession:
    """The bidirectional byte stream."""

    def __init__(self, ends: _Ends, ended: asyncio.Future[int]) -> None:
        self._ends, self._ended = ends, ended
        self._loop = asyncio.get_running_loop()
        self._input_is_open = True

    async def read(self) -> bytes:
        """The next output. Empty when the process has ended and all its output was read."""
        while True:
            has_ended = self._ended.done()
            try:
                return os.read(self._ends.ours_out, BLOCK_BYTES)
            except BlockingIOError:
                if has_ended:  # processes that it left may keep its output open
                    return b""
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                return b""  # no process has the terminal open any more
            await self._readable_or_ended()

    async def write(self, data: bytes) -> None:
        """Send input. Does nothing when the process has ended."""
        left = memoryview(data)
        while left and self._input_is_open and not self._ended.done():
            try:
                left = left[os.write(self._ends.ours_in, left) :]
            except BlockingIOError:
                await self._until(self._loop.add_writer, self._loop.remove_writer, self._ends.ours_in)
            except (BrokenPipeError, OSError) as error:
                if error.errno not in (errno.EPIPE, errno.EIO):
                    raise
                return

    async def end_input(self) -> None:
        """End the input."""
        if self._ends.is_tty:
            await self.write(END_OF_INPUT)
        elif self._input_is_open:
            self._input_is_open = False
            os.close(self._ends.ours_in)

    def resize(self, columns: int, rows: int) -> None:
        """The terminal's new size. Does nothing without a terminal."""
        if self._ends.is_tty:
            _set_size(self._ends.ours_in, columns, rows)

    async def exit_code(self) -> int:
        """Waits for the process to end."""
        return await asyncio.shield(self._ended)

    def close(self) -> None:
        if self._input_is_open and not self._ends.is_tty:
            os.close(self._ends.ours_in)
        os.close(self._ends.ours_out)

    async def _readable_or_ended(self) -> None:
        readable = asyncio.ensure_future(
            self._until(self._loop.add_reader, self._loop.remove_reader, self._ends.ours_out)
        )
        waited_for: list[asyncio.Future[Any]] = [readable, self._ended]
        try:
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        finally:
            readable.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await readable

    async def _until(self, add: Watch, remove: Unwatch, descriptor: int) -> None:
        """Wait until the descriptor is readable or writable."""
        happened = asyncio.Event()
        add(descriptor, happened.set)
        try:
            await happened.wait()
        finally:
            remove(descriptor)


@asynccontextmanager
async def attached(
    places: Places, logs: LogStore, dyno: Dyno, *, columns: int, rows: int, tty: bool
) -> AsyncIterator[AttachedSession]:
    """Runs as long as the block, then sends SIGHUP, and kills processes that don't end."""
    places.make()
    key = attached_key(dyno)
    sheet = places.sheet(key)
    places.make_written(key)
    write_whole(sheet, sheet_of(dyno, key, places, is_attached=True, is_tty=tty))
    ends = _Ends.open(places.users.ids(dyno.app), tty=tty, columns=columns, rows=rows)
    logs.append(dyno.app, "heroku", dyno.name, f"Starting process with command `{dyno.command}`")
    process = await start_process(
        launching(sheet), {MARK: places.mark(key)},
        stdin=ends.theirs_in, stdout=ends.theirs_out, stderr=ends.theirs_out,
    )  # fmt: skip
    ends.close_theirs()
    session = AttachedSession(ends, process.ended)
    logs.append(dyno.app, "heroku", dyno.name, "State changed from starting to up")
    try:
        yield session
    finally:
        session.close()
        await _hang_up(places, key, process)
        places.remove(key)
        code = await session.exit_code()
        logs.append(dyno.app, "heroku", dyno.name, f"Process exited with status {code}")
        logs.append(dyno.app, "heroku", dyno.name, "State changed from up to complete")


async def _hang_up(places: Places, key: str, process: Started) -> None:
    def all_of_it() -> list[Process]:
        mark = places.mark(key)
        return bearing(lambda one: one == mark)

    if not process.ended.done():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGHUP)
    if not await gone_within(all_of_it, 0 if process.ended.done() else HANG_UP_S):
        await kill(all_of_it)


def _set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
