"""An app's database that people order from all the time: what was acknowledged, when, and whether it is still there."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import psycopg
from tests.fix_control_plane import ControlPlane, connect, url_of, wait_until
from tests.fix_things import STANDARD, Things

TABLE = "CREATE TABLE orders (id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"


@dataclass
class Shop:
    """One app with a database, on a plane."""

    plane: ControlPlane
    things: Things
    app: str
    source: str

    def url(self, name: str = "DATABASE_URL") -> str:
        return url_of(self.plane, self.app, name)

    def changeover(self, *words: str) -> dict[str, Any]:
        """Type `pg:changeover` to its end."""
        done = self.plane.must("pg:changeover", "-a", self.app, "--to", "standard-2", "--yes", "--json", *words)
        found: dict[str, Any] = done.json
        return found

    def begin(self, **fields: Any) -> int:
        body = {"app": self.app, "source": "DATABASE_URL", "to": STANDARD, "hold": "maintenance", **fields}
        made = self.things.api.post("/changeover/v1/changeovers", json=body)
        assert made.status_code == 201, made.text
        number: int = made.json()["id"]
        return number

    def look(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.things.api.get(f"/changeover/v1/changeovers/{number}").json()
        return found

    def act(self, number: int, act: str, **body: Any) -> int:
        return self.things.api.post(f"/changeover/v1/changeovers/{number}/actions/{act}", json=body).status_code

    def until(self, number: int, what: str, condition: Any, *, timeout_s: float = 60) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            seen = self.look(number)
            return seen if condition(seen) else None

        found: dict[str, Any] = wait_until(look, what=f"{what}; seen: {self.look(number)}", timeout_s=timeout_s)
        return found

    def until_done(self, number: int) -> dict[str, Any]:
        seen = self.until(number, "its end", lambda seen: seen["finished_at"])
        assert seen["status"] == "done", seen
        return seen

    def orders(self, name: str = "DATABASE_URL") -> set[int]:
        with connect(self.url(name)) as database:
            return {row[0] for row in database.execute("SELECT id FROM orders")}


def new_shop(things: Things) -> Shop:
    app = things.app()
    source = things.database(app)["name"]
    shop = Shop(things.plane, things, app, source)
    with connect(shop.url()) as database:
        database.execute(TABLE)
    return shop


@dataclass
class Orders:
    """What the clients were told. `acknowledged`: order and the moment (monotonic) of its acknowledgement."""

    acknowledged: dict[int, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


@contextmanager
def ordering(shop: Shop, *, name: str = "DATABASE_URL", clients: int = 4) -> Iterator[Orders]:
    """Clients that order one after the other; one that fails asks the app's config again where to go."""
    orders, numbers, over = Orders(), itertools.count(1), threading.Event()

    def order() -> None:
        while not over.is_set():
            try:
                with connect(shop.url(name), prepare_threshold=None) as database:
                    while not over.is_set():
                        number = next(numbers)
                        database.execute("INSERT INTO orders (id) VALUES (%s)", [number])
                        orders.acknowledged[number] = time.monotonic()
            except (psycopg.Error, OSError, httpx2.HTTPError, LookupError, ValueError) as failure:
                orders.failures.append(str(failure))
                over.wait(0.02)

    threads = [threading.Thread(target=order) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(orders.acknowledged) > 50, what="orders")
        yield orders
        seen = len(orders.acknowledged)
        wait_until(lambda: len(orders.acknowledged) > seen + 50, what="orders after it")
    finally:
        over.set()
        for thread in threads:
            thread.join()
