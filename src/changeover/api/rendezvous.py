"""Attached one-off dynos with the official CLI's rendezvous protocol: TLS, a secret, then the terminal's bytes.

The client sends `SECRET\\r\\n` and discards the first chunk of the answer. After that, both directions are raw. A dyno
starts when its secret is presented, and ends with the connection.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from changeover.platform.scope import Parts
from changeover.platform.things import Dyno, Session

log = logging.getLogger(__name__)

GREETING = b"rendezvous\r\n"
END_OF_INPUT = b"\x04"
PATIENCE_S = 60.0
GREETED_WITHIN_S = 10.0
MOST_STRANGERS = 64
GREETING_PAUSE_S = 0.05
CHUNK = 65536


@dataclass(frozen=True)
class Expected:
    """A dyno that waits for its client."""

    dyno: Dyno
    has_tty: bool
    until: float


@dataclass
class Rendezvous:
    """One for each process, on a loopback address."""

    parts: Parts
    host: str
    port: int = 0
    _expected: dict[str, Expected] = field(default_factory=dict)
    _server: asyncio.Server | None = None
    _strangers: int = 0
    """Connections that have not sent a secret yet."""

    async def start(self, tls: ssl.SSLContext) -> None:
        self._server = await asyncio.start_server(
            self._meet, self.host, self.port, ssl=tls, limit=CHUNK, ssl_handshake_timeout=GREETED_WITHIN_S
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    def expect(self, dyno: Dyno, *, has_tty: bool) -> str:
        """The URL that starts the dyno when a client connects within a minute."""
        now = time.monotonic()
        for old in [secret for secret, one in self._expected.items() if one.until < now]:
            del self._expected[old]
        secret = secrets.token_urlsafe(24)
        self._expected[secret] = Expected(dyno, has_tty, now + PATIENCE_S)
        return f"rendezvous://{self.host}:{self.port}/{secret}"

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._strangers >= MOST_STRANGERS:
            writer.transport.abort()
            return
        try:
            expected = await self._expected_by(reader)
            if expected is None:
                writer.transport.abort()
                return
            if expected.until > time.monotonic():
                writer.write(GREETING)
                await writer.drain()
                # The client discards the first chunk, so it must not contain anything else.
                await asyncio.sleep(GREETING_PAUSE_S)
                await self._attach(expected, reader, writer)
        except (ConnectionError, TimeoutError, ssl.SSLError) as gone:
            log.info("a rendezvous ended: %s", gone)
        finally:
            writer.close()

    async def _expected_by(self, reader: asyncio.StreamReader) -> Expected | None:
        """The dyno of the secret that the client sends first. Raises TimeoutError."""
        self._strangers += 1
        try:
            async with asyncio.timeout(GREETED_WITHIN_S):
                secret = await reader.readuntil(b"\n")
        except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            return None
        finally:
            self._strangers -= 1
        return self._expected.pop(secret.decode(errors="replace").strip(), None)

    async def _attach(self, expected: Expected, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        window = expected.dyno.environment
        columns, rows = _number(window.get("COLUMNS"), 80), _number(window.get("LINES"), 24)
        async with self.parts.dynos.attached(
            expected.dyno, columns=columns, rows=rows, tty=expected.has_tty
        ) as session:
            await _until_the_first_ends(
                _pass_typing(reader, session, has_tty=expected.has_tty), _pass_what_is_said(session, writer)
            )


async def _until_the_first_ends(*acts: Coroutine[Any, Any, None]) -> None:
    """Returns when the dyno's output ends, or when the client has disconnected, which a silent dyno would not notice."""
    tasks = [asyncio.ensure_future(act) for act in acts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass_what_is_said(session: Session, writer: asyncio.StreamWriter) -> None:
    while said := await session.read():
        writer.write(said)
        await writer.drain()


async def _pass_typing(reader: asyncio.StreamReader, session: Session, *, has_tty: bool) -> None:
    """Until the client has disconnected. The end of its input is sent as a character."""
    while typed := await reader.read(CHUNK):
        if not has_tty and typed.endswith(END_OF_INPUT):
            await session.write(typed[:-1])
            await session.end_input()
        else:
            await session.write(typed)
    await session.end_input()


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and 0 < int(text) < 10_000 else default


def rendezvous_of(request: Request) -> Rendezvous:
    found: Rendezvous = request.app.state.rendezvous
    return found
