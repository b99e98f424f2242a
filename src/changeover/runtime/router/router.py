"""What every router can do, in plain values. Platform code speaks to this and never to what is behind it.

Every verb is safe to repeat. `app` is the short key of runtime.py: it never changes and is safe in paths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

SAFE_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Site:
    """One app as the router knows it. Raises ValueError for an app or a hostname that can't be one."""

    app: str
    hostnames: tuple[str, ...]
    """Lower case, without port: `shop.localhost`."""
    ports: tuple[int, ...] | None = None
    """Where its web dynos listen on 127.0.0.1, in turn. One that refuses is passed over; empty: the error page.
    None: as `route` said last."""
    is_internal: bool = False
    """Only for others in its space: this router, which is everybody's, doesn't know it."""

    def __post_init__(self) -> None:
        if not SAFE_APP.fullmatch(self.app):
            raise ValueError(f"not the key of an app: {self.app!r}")
        for name in self.hostnames:
            if not re.fullmatch(r"[a-z0-9*]([a-z0-9.-]{0,251}[a-z0-9])?", name):
                raise ValueError(f"not a hostname: {name!r}")


@dataclass(frozen=True)
class Address:
    """Where the router listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class RouterHealth:
    """One look: `because` says why it is not up."""

    is_up: bool
    because: str = ""
    address: Address | None = None


class Router(Protocol):
    """Brings requests to apps. See each verb for what it raises."""

    async def start(self, listen: str = "127.0.0.1:0") -> Address:
        """Start it with what it knew last, or adopt it when it runs; port 0: any free one, the same each time.

        Raises BadSetting, PortTaken, RouterFailed, ToolMissing.
        """

    async def stop(self) -> None:
        """Takes no new requests and ends when those in flight are answered, after 10 s at the latest."""

    def leave(self) -> None:
        """Leave it running and forget it: for a process of ours that ends. The next one's `start` adopts it."""

    async def health(self) -> RouterHealth:
        """One quick look, for a keeper to take now and then: when it isn't up, call `start`."""

    async def until_down(self) -> None:
        """Returns when its process has ended, or at once where none runs."""

    async def silent_process(self) -> int | None:
        """The pid of the router that lives and, as `health` said, does not answer: `start` would end it."""

    async def apply(self, sites: tuple[Site, ...]) -> bool:
        """Exactly these apps are known from the next request on. Raises RouterFailed.

        True when there was no room for so many apps or dynos, and the running configuration was replaced: the only change
        that takes a second and may, under load, cost a request.
        """

    def route(self, app: str, ports: tuple[int, ...]) -> None:
        """From the next request on, these are the app's web dynos: first route, then end those that are no longer in it."""

    def maintenance(self, app: str, on: bool, page: bytes | None = None) -> None:
        """From the next request on, 503 with this page (HTML; None: our own) instead of the app; or the app again."""

    def is_in_maintenance(self, app: str) -> bool:
        """What the next request would meet."""

    def error_page(self, app: str, page: bytes | None) -> None:
        """What people see, with 503, when no dyno answers (HTML; None: our own)."""
