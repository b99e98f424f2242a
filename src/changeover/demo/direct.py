"""The demo's short form: the shop's worker alone, as a child process of the demo, writes to the database."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from changeover.demo.database import make_table
from changeover.demo.notes import Notes
from changeover.demo.screen import Screen
from changeover.demo.trade import wait_for
from changeover.demo.verdict import Serving
from changeover.errors import DemoFailed

WORKER = [sys.executable, "-P", "-m", "changeover.demo.shop.worker"]


class Direct:
    """A Trade without an app. `url` returns the address of the app's current database."""

    requests = 0

    def __init__(self, notes: Notes, url: Callable[[], Awaitable[str]], screen: Screen) -> None:
        self._notes = notes
        self._url = url
        self._screen = screen
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def begin(self) -> None:
        url = await self._url()
        await make_table(url)
        await self._start(url)
        self._screen.note("4 connections send orders; each acknowledged order is recorded and synced to disk")

    async def hold(self) -> None:
        await self.end()
        self._screen.note(f"orders are on hold after {self.commits:,} of them")

    async def resume(self) -> None:
        await self._start(await self._url())
        self._screen.note("orders go to the new leader")

    async def end(self) -> None:
        code, said = await self._stop()
        if code:
            raise DemoFailed("An order failed.", said=said)

    @property
    def commits(self) -> int:
        return self._notes.count

    def acknowledged(self) -> dict[int, float]:
        return self._notes.acknowledged()

    def serving(self) -> Serving | None:
        return None

    async def _start(self, url: str) -> None:
        """Returns when the first order was acknowledged."""
        before = self.commits
        self._process = process = await asyncio.create_subprocess_exec(
            *WORKER,
            env={**os.environ, "DATABASE_URL": url, "NOTES": str(self._notes.folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        await wait_for(lambda: self.commits > before or process.returncode is not None, "the first order")

    async def _stop(self) -> tuple[int, str]:
        """The exit code and output of the worker. An order in progress is completed."""
        process, self._process = self._process, None
        if process is None:
            return 0, ""
        if process.returncode is None:
            process.terminate()
        said = (await process.communicate())[0]
        return process.returncode or 0, said.decode()
