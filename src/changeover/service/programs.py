"""The main functions of the parent's children. The parent imports this module once, with all that they need, and forks."""

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
from changeover.service.prepare import prepared
from changeover.service.teardown import teardown
from changeover.service.telling import reported
from changeover.service.watching import keep_beating
from changeover.service.worker import work
from changeover.settings import Settings


@dataclasses.dataclass(frozen=True)
class Programs:
    """Each method is the main function of a process. It returns the exit code."""

    places: Places
    settings: Settings
    router_listen: str
    until_idle: bool
    listening: int
    """The file descriptor of the open socket."""
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def prepare(self, router_listen: str) -> int:
        return prepared(self.places, self.settings, router_listen)

    def teardown(self) -> int:
        return reported("teardown", lambda: asyncio.run(teardown(self.places, self.settings)))

    def worker(self, write_end: int) -> int:
        working = work(self.places, self.settings, router_listen=self.router_listen, until_idle=self.until_idle)
        return self._keep_on("worker", write_end, working)

    def control_plane(self, write_end: int) -> int:
        certificate = {"tls_cert": self.tls_cert, "tls_key": self.tls_key}
        serving = serve(self.places, self.settings, listening=self.listening, **certificate)
        return self._keep_on("control-plane", write_end, serving)

    def _keep_on(self, name: str, write_end: int, doing: Coroutine[Any, Any, None]) -> int:
        """Run until the coroutine ends. Logs to HOME/log. Other output, such as a crash of Python, goes to stderr."""
        go_with_parent()
        log_to(self.places.logs, name)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_while_beating(write_end, doing))
        except Exception:
            logging.getLogger("changeover").exception("the %s dies", name)
            return 1
        return 0


async def _while_beating(write_end: int, doing: Coroutine[Any, Any, None]) -> None:
    """Await `doing`, and show the parent that the event loop runs."""
    beating = asyncio.ensure_future(keep_beating(write_end))
    try:
        await doing
    finally:
        beating.cancel()
