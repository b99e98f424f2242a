"""The shop's customers, as a process of its own: orders over several connections, each noted once it is acknowledged.

Told what to do in JSON lines on stdin, answers in JSON lines on stdout (`orders.py` is the other end). An order's id
goes to a file, and is synced, only after PostgreSQL has acknowledged the commit: that is what must still be there later.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import psycopg

CONNECTIONS = 4
PER_SECOND = 25
"""Of each connection: enough to be busy, calm enough for a laptop."""

TABLE = """
CREATE TABLE IF NOT EXISTS orders (
    id bigint PRIMARY KEY,
    customer text NOT NULL,
    cents integer NOT NULL,
    ordered_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
ORDER = "INSERT INTO orders (id, customer, cents) VALUES (%s, %s, %s)"


class Customer:
    """One connection's worth of orders. Ids are unique over all customers and grow."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        self.count = 0
        self.first_at: float | None = None
        self.last_at: float | None = None
        # unbuffered: a line is in the file before fsync is asked for it
        self._file = (folder / f"acknowledged-{number}").open("ab", buffering=0)

    async def order(self, url: str, held: asyncio.Event) -> None:
        """Order until `held`; an order under way is finished and noted."""
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as database:
            while not held.is_set():
                number = self.number * 1_000_000 + self.count
                self.count += 1
                await database.execute(ORDER, [number, f"customer {self.number}", 100 + self.count % 900])
                self._note(number)
                await _until(held, timeout_s=1 / PER_SECOND)

    def _note(self, number: int) -> None:
        self.last_at = time.monotonic()
        self.first_at = self.first_at or self.last_at
        self._file.write(f"{number}\n".encode())
        os.fsync(self._file.fileno())


class Shop:
    """All customers; obeys the lines on stdin."""

    def __init__(self, folder: Path) -> None:
        self._customers = [Customer(number, folder) for number in range(1, CONNECTIONS + 1)]
        self._held = asyncio.Event()
        self._ordering: asyncio.Task[None] | None = None

    async def go(self, url: str) -> dict[str, object]:
        """Order at `url` from now on; answers after the first acknowledged order."""
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as database:
            await database.execute(TABLE)
        self._held.clear()
        for customer in self._customers:
            customer.first_at = None
        self._ordering = asyncio.create_task(self._order(url))
        while not (firsts := [customer.first_at for customer in self._customers if customer.first_at]):
            await asyncio.wait([self._ordering], timeout=0.002)
            if self._ordering.done():
                self._ordering.result()
        return {"first_at": min(firsts)}

    async def hold(self) -> dict[str, object]:
        """Stop ordering; answers when every order under way is acknowledged and noted."""
        self._held.set()
        if self._ordering:
            await self._ordering
        return {"last_at": max(customer.last_at or 0.0 for customer in self._customers)}

    async def _order(self, url: str) -> None:
        async with asyncio.TaskGroup() as group:
            for customer in self._customers:
                group.create_task(customer.order(url, self._held))


async def _until(event: asyncio.Event, *, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return


async def obey(folder: Path) -> None:
    """Until stdin ends, which it does when the demo is gone for whatever reason."""
    shop = Shop(folder)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        told = json.loads(line)
        try:
            answer = await (shop.go(told["url"]) if told["do"] == "go" else shop.hold())
        except* psycopg.Error as group:
            answer = {"failed": str(group.exceptions[0])}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(obey(Path(sys.argv[1])))
