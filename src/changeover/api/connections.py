"""HTTP connections with limits on their number, and on the time that each waits for its client.

A client is an address. Users of one machine or behind one proxy share it, so a client at its limit is not locked out:
its oldest connection without a request is closed instead.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

log = logging.getLogger(__name__)

HEAD_S = 10.0
"""From the first byte to the last byte of the headers."""
UNREAD_S = 60.0
"""How long a client may take to read an answer."""
MOST_HEAD_BYTES = 32 * 1024


@dataclass
class OpenConnections:
    """All open connections of a process, oldest first."""

    most: int
    most_of_client: int
    _known: dict[HttpConnection, str] = field(default_factory=dict)
    _of_client: Counter[str] = field(default_factory=Counter)

    def admit(self, new: HttpConnection, client: str) -> bool:
        """False if the limit is reached and no idle connection can be closed."""
        if self._of_client[client] >= self.most_of_client and not self._close_idle(client):
            return False
        if len(self._known) >= self.most and not self._close_idle(
            max(self._of_client, key=self._of_client.__getitem__)
        ):
            return False
        self._known[new] = client
        self._of_client[client] += 1
        return True

    def forget(self, gone: HttpConnection) -> None:
        client = self._known.pop(gone, None)
        if client is not None:
            self._of_client[client] -= 1
            self._of_client += Counter()  # removes clients without connections

    def _close_idle(self, client: str) -> bool:
        """The oldest connection that never sent a request, or else the oldest between two requests."""
        idle = [one for one, its_client in self._known.items() if its_client == client and one.is_idle]
        if not idle:
            return False
        chosen = next((one for one in idle if one.cycle is None), idle[0])
        self.forget(chosen)
        chosen.transport.abort()
        return True


class HttpConnection(H11Protocol):
    """uvicorn's protocol with deadlines. Create a subclass for each server: `HttpConnection.counted_by(OpenConnections(…))`."""

    open_connections: OpenConnections

    @classmethod
    def counted_by(cls, open_connections: OpenConnections) -> type[HttpConnection]:
        return type(cls.__name__, (cls,), {"open_connections": open_connections})

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_deadline: asyncio.TimerHandle | None = None
        self._unread_deadline: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """No request is in progress. At most a part of the next one's headers has arrived."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.open_connections.admit(self, self.client[0] if self.client else ""):
            self._await_head()
        else:
            log.warning("refused a connection from %s: all %s are in use", self.client, self.open_connections.most)
            self._answer(503, "too_many_connections", "Too many connections from this address are open.")

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections.forget(self)
        self._cancel_deadlines()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.is_idle and not self.transport.is_closing() and self.timeout_keep_alive_task is None:
            self._await_head()

    def handle_events(self) -> None:
        super().handle_events()
        if not self.is_idle and self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_deadline = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread_deadline is not None:
            self._unread_deadline.cancel()

    def send_400_response(self, msg: str) -> None:
        """Answers a request that h11 can't parse, in our format."""
        self._answer(400, "bad_request", msg)

    def _await_head(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(HEAD_S, self.transport.abort)

    def _cancel_deadlines(self) -> None:
        for deadline in (self._head_deadline, self._unread_deadline):
            if deadline is not None:
                deadline.cancel()

    def _answer(self, status: int, id_: str, message: str) -> None:
        """Answers without the application, and closes the connection."""
        body = json.dumps(
            {"id": id_, "message": message, "what": message, "why": "", "fix": "", "retryable": status == 503}
        )
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        events: list[h11.Event] = [
            h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status]),
            h11.Data(data=body.encode()),
            h11.EndOfMessage(),
        ]
        try:
            self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        except h11.LocalProtocolError:  # an answer has already started
            log.info("closed a connection from %s within an answer", self.client)
        self.transport.close()
