"""Clients of three drivers order through the pooler while the database moves, and none of them sees an error."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import psycopg
import pytest
from tests.changeovers.fix_orders import Shop, new_shop
from tests.fix_control_plane import connect, wait_until
from tests.fix_poolers import needs_pgbouncer, pgbouncer_facts
from tests.fix_things import Things

pytestmark = needs_pgbouncer

POOLED = "DATABASE_CONNECTION_POOL_URL"
HERE = Path(__file__).parent
PACKAGES = HERE.parents[1] / ".cache/node-postgres/node_modules"
ORDER = "INSERT INTO orders (id) VALUES ($1)"


@dataclass
class Client:
    """One client: the numbers of its orders begin at `first`."""

    url: str
    first: int
    prepares: bool
    acknowledged: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


Driver = Callable[[Client], None]


def by_psycopg(client: Client) -> None:
    with connect(client.url, prepare_threshold=0 if client.prepares else None) as database:
        number = client.first
        while not client.over.is_set():
            database.execute("INSERT INTO orders (id) VALUES (%s)", [number])
            client.acknowledged.append(number)
            number += 1


def by_asyncpg(client: Client) -> None:
    asyncio.run(_by_asyncpg(client))


async def _by_asyncpg(client: Client) -> None:
    """Parses and executes in two turns: without prepared statements, only a transaction keeps both on one connection."""
    cached = {} if client.prepares else {"statement_cache_size": 0}
    database = await asyncpg.connect(client.url, ssl="require", **cached)
    number = client.first
    while not client.over.is_set():
        async with database.transaction():
            await database.execute(ORDER, number)
        client.acknowledged.append(number)
        number += 1
    await database.close()


def by_node_postgres(client: Client) -> None:
    command = ["node", str(HERE / "node_postgres/orders.cjs"), client.url, str(client.first)]
    with subprocess.Popen(
        command + ["prepared"] * client.prepares, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "NODE_PATH": str(PACKAGES)},
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        client.acknowledged += [client.first] if process.stdout.readline() == "ordering\n" else []
        client.over.wait()
        process.stdin.close()
        told = json.loads(process.stdout.read())
    client.acknowledged[:] = told["acknowledged"]
    client.failures += told["failures"]


DRIVERS = [
    by_psycopg,
    by_asyncpg,
    pytest.param(
        by_node_postgres,
        marks=pytest.mark.skipif(
            not PACKAGES.exists(),
            reason="node-postgres is not installed: bin/test does it"
            if shutil.which("node")
            else "there is no Node.js 20 or newer",
        ),
    ),
]


@pytest.fixture
def shop(things: Things) -> Shop:
    shop = new_shop(things)
    shop.plane.must("pg:connection-pooling:attach", "DATABASE_URL", "-a", shop.app)
    return shop


@contextmanager
def ordering(shop: Shop, driver: Driver, *, prepares: bool, count: int = 3) -> Iterator[list[Client]]:
    clients = [Client(shop.url(POOLED), 1 + number * 10_000_000, prepares) for number in range(count)]

    def run(client: Client) -> None:
        try:
            driver(client)
        except (psycopg.Error, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as failure:
            client.failures.append(repr(failure))

    threads = [threading.Thread(target=run, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: all(one.acknowledged or one.failures for one in clients), what="orders of everybody")
        yield clients
        seen = max(shop.orders(POOLED))
        wait_until(lambda: max(shop.orders(POOLED)) > seen + 20, what="orders after it")
    finally:
        for client in clients:
            client.over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("prepares", [False, True], ids=["unprepared", "prepared"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_no_client_of_a_pooler_sees_an_error(shop: Shop, driver: Driver, prepares: bool) -> None:
    facts = pgbouncer_facts()
    if prepares and not facts.has_prepared_statements:
        pytest.skip("this PgBouncer has no prepared statements in transaction mode")

    with ordering(shop, driver, prepares=prepares) as clients:
        shop.changeover("--hold", "pooled")

    assert [one.failures for one in clients] == [[]] * len(clients)
    assert all(one.acknowledged for one in clients)
    assert {number for one in clients for number in one.acknowledged} <= shop.orders()


def test_the_plan_says_whether_clients_may_prepare(shop: Shop) -> None:
    can = pgbouncer_facts().has_prepared_statements

    said = shop.plane.must("pg:changeover", "-a", shop.app, "--to", "standard-2", "--hold", "pooled", "--plan").stdout

    assert ("carries prepared statements along" in said) == can
    assert ("knows no prepared statements" in said) != can


def test_a_reader_that_stops_replay_on_the_target_is_waited_for_before_the_pause(shop: Shop) -> None:
    """The startup process that waits for it already does not look at any setting; the clients must not wait with it."""
    follower = shop.things.database(shop.app, follow=shop.source)["name"]
    with connect(shop.things.info(follower)["resource_url"]) as reader, connect(shop.url(POOLED)) as app:
        app.execute("INSERT INTO orders (id) SELECT generate_series(1, 100)")
        wait_until(lambda: reader.execute("SELECT count(*) FROM orders").fetchone() == (100,), what="the rows")
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM orders")
        app.execute("DELETE FROM orders")
        app.execute("VACUUM orders")
        number = shop.begin(to=follower, hold="pooled")
        for order in itertools.count(1000):
            app.execute("INSERT INTO orders (id) VALUES (%s)", [order], prepare=False)
            seen = shop.look(number)
            assert not seen["finished_at"], seen
            assert "held" not in [event["phase"] for event in seen["timeline"]], seen
            if seen["attempts"] > 1 and "does not replay" in (seen["waits_because"] or ""):
                break
            assert order < 5000, seen
        reader.execute("COMMIT")

    shop.until_done(number)
