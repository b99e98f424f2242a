"""The connection to an attached dyno: TLS, a secret, then bytes both ways until the dyno closes it.

Independent of apps and the API.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import ssl
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import IO
from urllib.parse import urlsplit

from changeover.errors import NoAnswer, ServerUnreachable

CONNECT_S = 30.0
SILENCE_S = 3600.0
END_OF_INPUT = b"\x04"
INTERRUPT = b"\x03"
CHUNK = 65536
STATUS = re.compile(rb"\xef\xbf\xbf heroku-command-exit-status: (\d+)(\r?\n|$)")
MARK = b"\xef\xbf\xbf"
LONGEST_STATUS = 64


class Output:
    """The dyno's output on its way to our stdout. The line with the exit status is removed and becomes `code`."""

    def __init__(self, to: IO[bytes], *, watches: bool, keeps_returns: bool) -> None:
        self._to, self._watches, self._keeps_returns = to, watches, keeps_returns
        self._held = b""
        self.code: int | None = None

    def write(self, data: bytes, *, is_last: bool = False) -> None:
        """Pass `data` on, except what may be the start of a line to remove."""
        data, self._held = self._held + data, b""
        if self._watches and (found := STATUS.search(data)) and (found[2] or is_last):
            self.code = int(found[1])
            data = data[: found.start()]
        elif not is_last:
            kept = self._unsure(data)
            data, self._held = data[:kept], data[kept:]
        if not self._keeps_returns:
            data = data.replace(b"\r\n", b"\n")
        self._to.write(data)
        self._to.flush()

    def _unsure(self, data: bytes) -> int:
        """The start of the part that may belong to a line to remove."""
        if self._watches:
            for length in range(len(MARK), 0, -1):
                at = data.rfind(MARK) if length == len(MARK) else len(data) - length
                is_it = at >= 0 and data[at : at + length] == MARK[:length]
                if is_it and len(data) - at <= LONGEST_STATUS:
                    return at
        return len(data) - 1 if data.endswith(b"\r") and not self._keeps_returns else len(data)


class Meeting:
    """An open connection to a dyno."""

    def __init__(self, line: ssl.SSLSocket, early: bytes) -> None:
        self._line, self._early = line, early
        self._interrupts: deque[float] = deque(maxlen=4)

    def __enter__(self) -> Meeting:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._line.close()

    def hold(self, to: IO[bytes], *, is_raw: bool, watches: bool) -> int | None:
        """Pass bytes until the dyno closes the connection or reports its exit status. Returns the status if reported."""
        output = Output(to, watches=watches, keeps_returns=sys.stdout.isatty())
        stdin = sys.stdin.fileno() if sys.stdin else None
        with raw_terminal(stdin) if is_raw and stdin is not None else contextlib.nullcontext():
            self._carry(output, stdin, is_raw=is_raw)
        return output.code

    def _carry(self, output: Output, stdin: int | None, *, is_raw: bool) -> None:
        self._line.setblocking(False)
        output.write(self._early)
        to_send = b"" if stdin is not None else END_OF_INPUT
        while output.code is None:
            typing = stdin is not None and len(to_send) < CHUNK
            readable = self._wait([self._line, stdin] if typing and stdin is not None else [self._line], bool(to_send))
            if stdin in readable and stdin is not None:
                typed = os.read(stdin, CHUNK)
                self._watch_interrupts(typed if is_raw else b"")
                to_send, stdin = (to_send + typed, stdin) if typed else (to_send + END_OF_INPUT, None)
            to_send = to_send[self._send(to_send) :]
            heard = self._receive()
            if heard == b"":
                output.write(b"", is_last=True)
                return
            if heard:
                output.write(heard)

    def _wait(self, readers: list[ssl.SSLSocket | int], has_more: bool) -> list[ssl.SSLSocket | int]:
        if self._line.pending():
            return [self._line]
        readable, writable, _ = select.select(readers, [self._line] if has_more else [], [], SILENCE_S)
        if not readable and not writable:
            raise NoAnswer(
                "timed out", why="The dyno sent nothing for an hour.", fix="`changeover ps` shows its state."
            )
        return readable

    def _send(self, data: bytes) -> int:
        """The number of bytes that were sent."""
        if not data:
            return 0
        try:
            return self._line.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError:
            return len(data)  # closed; the rest of its output is read below

    def _receive(self) -> bytes | None:
        """The received bytes. Empty at the end, None if there are none yet."""
        try:
            return self._line.recv(CHUNK)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except (ssl.SSLEOFError, ConnectionError):
            return b""

    def _watch_interrupts(self, typed: bytes) -> None:
        """Four times Ctrl-C within a second disconnects from a dyno that no longer responds."""
        for _ in range(typed.count(INTERRUPT) if typed == INTERRUPT * len(typed) else 0):
            self._interrupts.append(time.monotonic())
            if len(self._interrupts) == 4 and self._interrupts[3] - self._interrupts[0] < 1:
                raise NoAnswer("forcing dyno disconnect", fix="`changeover ps` shows whether it still runs.")


def meet(url: str, certificate: str) -> Meeting:
    """Open the line at `rendezvous://HOST:PORT/SECRET`, whose server must be certified by `certificate` (PEM).

    Raises ServerUnreachable, also for a server that can't prove who it is.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 5000
    try:
        with contextlib.ExitStack() as on_failure:
            raw = on_failure.enter_context(socket.create_connection((host, port), timeout=CONNECT_S))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = ssl.create_default_context(cadata=certificate)
            line = on_failure.enter_context(context.wrap_socket(raw, server_hostname=host))
            line.sendall(parts.path[1:].encode() + b"\r\n")
            meeting = Meeting(line, _after_greeting(line))
            on_failure.pop_all()
            return meeting
    except OSError as error:
        raise ServerUnreachable(
            f"The dyno's terminal at {host}:{port} is not reachable.",
            why=str(error),
            fix="If that address can't be reached from this machine, use `changeover run:detached --tail`.",
        ) from error


def _after_greeting(line: ssl.SSLSocket) -> bytes:
    """The bytes after the server's greeting line."""
    heard = b""
    while b"\n" not in heard:
        chunk = line.recv(CHUNK)
        if not chunk:
            raise ConnectionResetError(
                "The connection was closed at once: the dyno has ended, or its secret was used before."
            )
        heard += chunk
    return heard.partition(b"\n")[2]


@contextmanager
def raw_terminal(stdin: int) -> Iterator[None]:
    """Sends every key to the dyno. Restores the terminal afterwards, even when a signal ends the program."""
    before = termios.tcgetattr(stdin)
    handlers = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setraw(stdin)
        yield
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
