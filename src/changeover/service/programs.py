"""What the parent's children do. Importing this imports all that they need: the parent does it once, and forks."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from changeover.service.children import go_with_parent, log_to
from changeover.service.control_plane import serve
from changeover.service.places import Places
from changeover.service.prepare import prepare
from changeover.service.teardown import teardown
from changeover.service.telling import reported
from changeover.service.watching import keep_beating
from changeover.service.worker import work
from changeover.settings import Settings


@dataclasses.dataclass(frozen=True)
class Programs:
    """Each method is the whole life of a process; its exit code."""

    places: Places
    settings: Settings
    router_listen: str
    until_idle: bool
    listening: int
    """The file descriptor of the open socket."""
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def prepare(self, router_listen: str) -> int:
        return reported(
            "prepare", lambda: asyncio.run(prepare(self.places, self.settings, router_listen=router_listen))
        )

    def teardown(self) -> int:
        return reported("teardown", lambda: asyncio.run(teardown(self.places, self.settings)))

    def worker(self, mouth: int) -> int:
        working = work(self.places, self.settings, router_listen=self.router_listen, until_idle=self.until_idle)
        return self._keep_on("worker", mouth, working)

    def control_plane(self, mouth: int) -> int:
        certificate = {"tls_cert": self.tls_cert, "tls_key": self.tls_key}
        serving = serve(self.places, self.settings, listening=self.listening, **certificate)
        return self._keep_on("control-plane", mouth, serving)

    def _keep_on(self, name: str, mouth: int, doing: Coroutine[Any, Any, None]) -> int:
        """Until it ends. Its own log goes to HOME/log; what it says besides (a crash of Python itself), to stderr."""
        go_with_parent()
        log_to(self.places.logs, name)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_while_beating(mouth, doing))
        except Exception:
            logging.getLogger("changeover").exception("the %s dies", name)
            return 1
        return 0


async def _while_beating(mouth: int, doing: Coroutine[Any, Any, None]) -> None:
    """Do it, and let the parent see that the event loop turns."""
    beating = asyncio.ensure_future(keep_beating(mouth))
    try:
        await doing
    finally:
        beating.cancel()
