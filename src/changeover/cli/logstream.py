"""Reads log lines from a stream of server-sent events. Reconnects, and returns each line once."""

from __future__ import annotations

import http.client
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from changeover.client import streamed
from changeover.errors import ChangeoverError, NoAnswer, NotFound

SILENCE_S = 120.0
"""A stream without even a comment for this long may be dead."""
PATIENCE_S = 30.0
"""How long a control plane may be unavailable, for example during a restart."""
REMEMBERED = 2000


@dataclass(frozen=True)
class Event:
    """One server-sent event. A new connection continues after `id`."""

    id: str
    data: str


def events(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events of an event stream. Ignores an incomplete event without its final empty line."""
    data: list[str] = []
    last_id = ""
    for raw in lines:
        line = raw.decode(errors="replace").rstrip("\r\n")
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "id":
            last_id = value
        elif not line and data:
            yield Event(last_id, "\n".join(data))
            data = []


def lines_of(url: str, *, follows: bool, pause_s: float = 1.0) -> Iterator[str]:
    """The log lines at `url`. With `follows`, never ends, and reconnects at the last line.

    Raises NotFound when the session has expired, NoAnswer if the server does not answer for half a minute.
    """
    last_id, seen, heard_at = "", deque[str](maxlen=REMEMBERED), float("-inf")
    while True:
        try:
            for event in _connection(url, last_id, follows=follows):
                heard_at = time.monotonic()
                if event.id and event.id in seen:
                    continue
                last_id = event.id or last_id
                seen.append(event.id)
                yield from event.data.strip("\n").split("\n")
            heard_at = time.monotonic()
        except NoAnswer:
            if not follows or time.monotonic() - heard_at > PATIENCE_S:
                raise
        if not follows:
            return
        time.sleep(pause_s)


def _connection(url: str, last_id: str, *, follows: bool) -> Iterator[Event]:
    """The events of one connection, until it ends in any way."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
    headers |= {"Last-Event-ID": last_id} if last_id else {}
    with streamed(url, headers=headers, timeout_s=SILENCE_S) as response:
        if response.status != 200:
            raise _refusal(response, follows=follows)
        try:
            yield from events(response)
        except (OSError, http.client.HTTPException) as error:
            if not follows:
                raise NoAnswer("The log stream was interrupted.", why=str(error), fix="Repeat the command.") from error


def _refusal(response: http.client.HTTPResponse, *, follows: bool) -> ChangeoverError:
    if follows and response.status in (403, 404):
        return NotFound("Log stream timed out. Please try again.", fix="Repeat the command.")
    return NoAnswer(
        f"Logs eventsource failed with: {response.status} {response.reason}", fix="Repeat the command in a moment."
    )
