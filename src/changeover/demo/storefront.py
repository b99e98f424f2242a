"""The demo's full form: the shop runs as web and worker dynos, and customers order through the router."""

from __future__ import annotations

import asyncio
import json
import time
from types import TracebackType
from typing import Self

from changeover.demo.customers import CUSTOMERS, Customers
from changeover.demo.notes import Notes
from changeover.demo.screen import Screen
from changeover.demo.slug import make_slug, python_for_dynos
from changeover.demo.stage import Stage, nothing
from changeover.demo.trade import wait_for
from changeover.demo.verdict import Serving, serving_of

WEB, WORKER = 2, 1
LEVELS = (f"web={WEB}", f"worker={WORKER}")


class Storefront:
    """A Trade with an app. In a private space, web dynos keep running during maintenance, which shows a page instead."""

    def __init__(self, app: str, notes: Notes, stage: Stage, screen: Screen) -> None:
        self._app = app
        self._notes = notes
        self._stage = stage
        self._screen = screen
        self._customers: Customers | None = None
        self._maintenance: tuple[float, float] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end()

    async def begin(self) -> None:
        await self._deploy()
        self._customers = Customers(await self._address())
        self._customers.start()
        self._screen.note(f"{CUSTOMERS} customers order over HTTP, and the worker over 4 connections")
        noted = self._notes.count
        await wait_for(lambda: self._served > 0 and self._notes.count > noted, "the first orders")

    async def hold(self) -> None:
        began_at = time.monotonic()
        self._maintenance = (began_at, float("inf"))
        await self._type("maintenance:on")
        await self._type("ps:scale", "worker=0")
        self._screen.note(f"orders are on hold after {self.commits:,} of them")

    async def resume(self) -> None:
        """The worker first, because it doesn't need the router."""
        await self._type("ps:scale", f"worker={WORKER}")
        await self._type("maintenance:off")
        if self._maintenance:
            self._maintenance = (self._maintenance[0], time.monotonic())
        served = self._served
        await wait_for(lambda: self._served > served, "a customer's first order after the changeover")
        self._screen.note("orders go to the new leader")

    async def end(self) -> None:
        if self._customers:
            await asyncio.to_thread(self._customers.end)

    async def fail_requests(self) -> None:
        """Sabotage: no dyno answers for a while, and maintenance mode is off."""
        await self._type("ps:scale", "web=0")
        await self._type("ps:scale", f"web={WEB}")
        await self._type("ps:wait", "--wait-interval", "0.1")

    @property
    def requests(self) -> int:
        return self._customers.count if self._customers else 0

    @property
    def commits(self) -> int:
        return self._notes.count + self._served

    @property
    def _served(self) -> int:
        return self._customers.acknowledged if self._customers else 0

    def acknowledged(self) -> dict[int, float]:
        answered = self._customers.requests if self._customers else []
        ours = {request.order: request.answered_at for request in answered if request.outcome == "acknowledged"}
        return ours | self._notes.acknowledged()

    def serving(self) -> Serving | None:
        return serving_of(self._customers.requests, self._maintenance) if self._customers else None

    async def _deploy(self) -> None:
        """Deploy the code, create the table, and scale."""
        python = await python_for_dynos()
        folder = self._stage.home / "shop"
        await asyncio.to_thread(make_slug, folder)
        settings = (f"PYTHON={python}", "PYTHONPATH=vendor", f"NOTES={self._notes.folder}")
        await self._type("config:set", *settings)
        await self._stage.run("deploy", str(folder), "--app", self._app)
        await self._stage.run("run", "--exit-code", "--app", self._app, "--", "$PYTHON -m shop.orders")
        await self._type("ps:scale", *LEVELS)
        await self._type("ps:wait", "--wait-interval", "0.1")

    async def _address(self) -> str:
        """The app's address at the router."""
        info = json.loads(await self._stage.run("apps:info", self._app, "--json", show=nothing, echo=False))
        url: str = info["app"]["web_url"]
        self._screen.note(f"it answers at {url}")
        return url

    async def _type(self, *words: str) -> None:
        await self._stage.run(words[0], *words[1:], "--app", self._app)
