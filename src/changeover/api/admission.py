"""Checks a request before any work is done for it: token, size, and speed.

Every route needs a token unless it is in OPEN, so a new route can't be left open by mistake. The token is checked before the
first byte of the body is read, and again in the handler's own transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes
from uuid import UUID

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from changeover.api.addresses import client_address
from changeover.api.desk import token_in
from changeover.api.responses import error_response, raw
from changeover.api.rules import PUBLIC
from changeover.errors import BadRequest, ChangeoverError, Unauthorized
from changeover.errors.requests import BodyTooLarge, BodyTooSlow, TooManyRequests
from changeover.platform.turns import Turns

OPEN = tuple(path.partition("{")[0] for _, path in PUBLIC)
"""Prefixes of the paths of routes without a token."""
WITHOUT_MESSAGE = "/account"
"""A wrong token gets no `message` here, so the official CLI prints `not logged in` and exits with 100."""
UPLOADS = "/deploys"
MOST_JSON_BYTES = 1_000_000
MOST_UPLOAD_BYTES = 10_000_000_000
"""The setting for archives is usually lower. The route that receives one uses the setting."""
MOST_HEADERS = 100
GRACE_S = 30.0
SLOWEST_BYTES_PER_S = 8192
AT_HAND_S = 0.05
LINGER_S = 2.0
LINGER_BYTES = 4_000_000

Check = Callable[[str, str], Awaitable[UUID]]
"""Gets a token and the client's address, returns the account's id. Raises Unauthorized."""
MOST_REQUESTS_OF_ACCOUNT, MOST_REQUESTS, MOST_WAITING, QUEUE_S = 32, 256, 32, 30.0


class Admission:
    """Answers refused requests, and passes on all others with a limited body."""

    def __init__(self, app: ASGIApp, check: Check) -> None:
        self._app, self._check = app, check
        self._turns = Turns(MOST_REQUESTS_OF_ACCOUNT, MOST_REQUESTS, QUEUE_S, TooManyRequests, MOST_WAITING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = IncomingBody.of(scope["path"], headers, receive)
        exchange = Exchange(body, send)
        async with AsyncExitStack() as turn:
            try:
                account = await self._examine(scope, headers, body)
                if account is not None:
                    await turn.enter_async_context(self._turns.taken_by(account))
            except ChangeoverError as refused:
                silent = isinstance(refused, Unauthorized) and scope["path"] == WITHOUT_MESSAGE
                await (raw(refused) if silent else error_response(refused))(scope, receive, exchange.send)
                return
            await self._app(scope, body.receive, exchange.send)

    async def _examine(self, scope: Scope, headers: Headers, body: IncomingBody) -> UUID | None:
        """The caller's account. None for a route without a token. Raises what refuses the request."""
        _require_text(scope)
        if len(headers) > MOST_HEADERS:
            raise BadRequest(f"The request has more than {MOST_HEADERS} headers.")
        account = None if scope["path"].startswith(OPEN) else await self._authenticate(scope, headers)
        body.require_size(headers)
        return account

    async def _authenticate(self, scope: Scope, headers: Headers) -> UUID:
        return await self._check(token_in(headers.get("authorization", "")), client_address(Request(scope)))


def _require_text(scope: Scope) -> None:
    """Path and query must be UTF-8 without NUL, which PostgreSQL can't store. Raises BadRequest."""
    for name, part in (("path", scope.get("raw_path") or b""), ("query", scope["query_string"])):
        decoded = unquote_to_bytes(part)
        try:
            text = decoded.decode()
        except UnicodeDecodeError:
            raise BadRequest(f"The {name} of the request is not UTF-8.") from None
        if "\x00" in text:
            raise BadRequest(f"The {name} of the request contains a NUL character.")


@dataclass
class IncomingBody:
    """Counts the received bytes. `receive` raises BodyTooLarge and BodyTooSlow inside the handler that reads."""

    most: int
    incoming: Receive
    is_complete: bool
    is_held_back: bool
    """The client only sends it when asked (Expect: 100-continue)."""
    received: int = 0
    began: float = 0.0

    @classmethod
    def of(cls, path: str, headers: Headers, receive: Receive) -> IncomingBody:
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        most = MOST_UPLOAD_BYTES if path.endswith(UPLOADS) else MOST_JSON_BYTES
        return cls(most, receive, not has_body, "expect" in headers)

    def require_size(self, headers: Headers) -> None:
        """Checks the declared length. Raises BodyTooLarge."""
        declared = headers.get("content-length", "")
        if declared.isdecimal() and (len(declared) > 15 or int(declared) > self.most):
            raise BodyTooLarge(self.most)

    async def receive(self) -> Message:
        if self.is_complete:
            return await self.incoming()  # the first is empty; later ones mean that the client disconnected
        self.began = self.began or time.monotonic()
        left = self.began + GRACE_S + self.received / SLOWEST_BYTES_PER_S - time.monotonic()
        try:
            message = await asyncio.wait_for(self.incoming(), max(0.0, left))
        except TimeoutError:
            raise BodyTooSlow(self.received) from None
        self._count(message)
        if self.received > self.most:
            raise BodyTooLarge(self.most)
        return message

    async def discard(self, most_s: float) -> None:
        """Reads a part of the rest, because closing a connection with unread bytes would lose the answer."""
        if self.is_held_back and not self.received:
            return
        most = self.received + LINGER_BYTES
        try:
            async with asyncio.timeout(most_s):
                while not self.is_complete and self.received < most:
                    self._count(await self.incoming())
        except TimeoutError:
            return

    def _count(self, message: Message) -> None:
        self.received += len(message.get("body", b""))
        self.is_complete = not message.get("more_body", False)


@dataclass
class Exchange:
    """The answer. If it is sent before the whole request was read, it is the last one on its connection."""

    body: IncomingBody
    outgoing: Send
    is_last: bool = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self.body.discard(AT_HAND_S)
            self.is_last = not self.body.is_complete
        if message["type"] == "http.response.start" and self.is_last:
            message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
        if message["type"] == "http.response.body" and self.is_last and not message.get("more_body", False):
            await self.outgoing({**message, "more_body": True})
            await self.body.discard(LINGER_S)
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self.outgoing(message)
