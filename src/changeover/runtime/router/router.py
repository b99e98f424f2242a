"""The interface of routers, in plain values. Platform code uses this, never an implementation.

Every verb is safe to repeat. `app` is the short key of runtime.py: it never changes and is safe in paths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

SAFE_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Site:
    """One app as the router knows it. Raises ValueError for an invalid app key or hostname."""

    app: str
    hostnames: tuple[str, ...]
    """Lower case, without port: `shop.localhost`."""
    ports: tuple[int, ...] | None = None
    """Where its web dynos listen on 127.0.0.1, used in turn. One that refuses connections is skipped. Empty: the error
    page. None: as last set with `route`."""
    is_internal: bool = False
    """Only reachable in its space, so this shared router ignores it."""

    def __post_init__(self) -> None:
        if not SAFE_APP.fullmatch(self.app):
            raise ValueError(f"not the key of an app: {self.app!r}")
        for name in self.hostnames:
            if not re.fullmatch(r"[a-z0-9*]([a-z0-9.-]{0,251}[a-z0-9])?", name):
                raise ValueError(f"not a hostname: {name!r}")


@dataclass(frozen=True)
class Address:
    """The address that the router listens on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class RouterHealth:
    """The current state. `because` says why it is not up."""

    is_up: bool
    because: str = ""
    address: Address | None = None


class Router(Protocol):
    """Forwards requests to apps. See each verb for what it raises."""

    async def start(self, listen: str = "127.0.0.1:0") -> Address:
        """Start it with its last configuration, or adopt it if running. Port 0: any free one, the same each time.

        Raises BadSetting, PortTaken, RouterFailed, ToolMissing.
        """

    async def stop(self) -> None:
        """Takes no new requests and ends when those in progress are answered, after 10 s at the latest."""

    def leave(self) -> None:
        """Leave it running when our process ends. The next process's `start` adopts it."""

    async def health(self) -> RouterHealth:
        """A quick check for the keeper. If it isn't up, call `start`."""

    async def until_down(self) -> None:
        """Returns when its process has ended, or at once if none runs."""

    async def silent_process(self) -> int | None:
        """The pid of a router that runs but does not answer `health`. `start` would kill it."""

    async def apply(self, sites: tuple[Site, ...]) -> bool:
        """Exactly these apps are known from the next request. Raises RouterFailed.

        True if there was no room for so many apps or dynos and the running configuration was replaced. Only that takes a
        second and may lose a request under load.
        """

    def route(self, app: str, ports: tuple[int, ...]) -> None:
        """From the next request, these are the app's web dynos. Call this before ending dynos that are not included."""

    def maintenance(self, app: str, on: bool, page: bytes | None = None) -> None:
        """From the next request, answer 503 with this page (HTML; None: the default) instead of the app, or stop that."""

    def is_in_maintenance(self, app: str) -> bool:
        """Whether the next request would get the maintenance page."""

    def error_page(self, app: str, page: bytes | None) -> None:
        """The page shown with 503 when no dyno answers (HTML; None: the default)."""
