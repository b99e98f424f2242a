"""The demo's end of the writer: starts it, tells it to go and to hold, and reads which orders were acknowledged."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import psycopg

from changeover.errors import DemoFailed

ANSWER_S = 30


class Orders:
    """The running writer process. Times are seconds of the machine's monotonic clock."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._folder = folder
        self._to_writer = cast(asyncio.StreamWriter, process.stdin)
        self._from_writer = cast(asyncio.StreamReader, process.stdout)

    @classmethod
    @asynccontextmanager
    async def into(cls, folder: Path) -> AsyncIterator[Orders]:
        """Start the writer, which notes in `folder` what was acknowledged; ended with the context."""
        folder.mkdir(mode=0o700)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "changeover.demo.writer", str(folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield cls(process, folder)
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()

    async def go(self, url: str) -> float:
        """Let orders flow into the database at `url`. Returns when the first one was acknowledged."""
        return (await self._tell({"do": "go", "url": url}))["first_at"]

    async def hold(self) -> float:
        """Stop the orders. Returns when the last one was acknowledged; none is under way any more."""
        return (await self._tell({"do": "hold"}))["last_at"]

    def acknowledged(self) -> set[int]:
        """Every order whose commit PostgreSQL has acknowledged so far."""
        return {int(line) for path in self._folder.iterdir() for line in path.read_text().split()}

    async def _tell(self, what: dict[str, str]) -> dict[str, float]:
        self._to_writer.write(json.dumps(what).encode() + b"\n")
        async with asyncio.timeout(ANSWER_S):
            line = await self._from_writer.readline()
        answer = json.loads(line or '{"failed": "The process that orders has ended."}')
        if "failed" in answer:
            raise DemoFailed("An order failed.", said=answer["failed"])
        times: dict[str, float] = answer
        return times


async def orders_in(url: str) -> set[int]:
    """Every order that the database at `url` knows."""
    async with await psycopg.AsyncConnection.connect(url) as database:
        rows = await (await database.execute("SELECT id FROM orders")).fetchall()
    return {row[0] for row in rows}


async def lose_one(url: str, order: int) -> None:
    """Sabotage: delete an acknowledged order."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as database:
        await database.execute("DELETE FROM orders WHERE id = %s", [order])
