"""Clients wait and never fail: pause, resume, and leading to another server meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping

import psycopg
import pytest
from tests.engines.fix_host import Database, Host, ask, until, until_replayed
from tests.engines.fix_poolers import Client, Pooled, planned, scalar
from tests.fix_poolers import needs_pgbouncer

from changeover.engines.pooler import Console

pytestmark = needs_pgbouncer


@pytest.fixture
async def pooled(host: Host, database: Database) -> AsyncIterator[Pooled]:
    made = planned(host, database)
    await made.start()
    yield made
    await made.remove()


@pytest.fixture
async def console(pooled: Pooled) -> AsyncIterator[Console]:
    async with pooled.poolers.console(pooled.pooler) as console:
        yield console


async def test_who_asks_in_a_pause_is_answered_after_it(pooled: Pooled, console: Console) -> None:
    async with pooled.clients(8) as clients:
        assert await console.pause(timeout_s=30)
        asked = [asyncio.create_task(scalar(one, "SELECT 1")) for one in clients]

        async def all_wait() -> bool:
            return (await console.load()).waiting == 8

        await until(all_wait)
        paused = (await console.load()).is_paused
        assert not any(task.done() for task in asked)
        await console.resume()
        assert await asyncio.gather(*asked) == [1] * 8
    assert (paused, (await console.load()).is_paused) == (True, False)


async def test_pausing_and_resuming_twice_is_the_same_as_once(console: Console) -> None:
    assert [await console.pause(timeout_s=30) for _ in range(2)] == [True, True]
    await console.resume()
    await console.resume()
    assert not (await console.load()).is_paused


async def test_a_pause_waits_for_a_transaction_and_gives_up_in_time(pooled: Pooled, console: Console) -> None:
    idle, other = await pooled.connect(), await pooled.connect()
    async with idle.transaction():
        await idle.execute("SELECT 1")
        assert await asyncio.wait_for(console.pause(timeout_s=0.2), timeout=10) is False
        assert await scalar(other, "SELECT 2") == 2
        assert not (await console.load()).is_paused
    assert await console.pause(timeout_s=30)
    await console.resume()
    assert await scalar(idle, "SELECT 3") == 3
    await idle.close()
    await other.close()


async def test_a_cancelled_pause_lets_everybody_go_on(pooled: Pooled, console: Console) -> None:
    idle = await pooled.connect()
    async with idle.transaction():
        await idle.execute("SELECT 1")
        pausing = asyncio.create_task(console.pause(timeout_s=60))

        async def holds() -> bool:
            return (await console.load()).is_paused

        await until(holds)
        pausing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pausing
        assert not await holds()
    assert await console.pause(timeout_s=30)
    await console.resume()
    await idle.close()


async def test_the_canary_goes_where_the_others_wait(pooled: Pooled, console: Console) -> None:
    route = await pooled.route()
    await console.lead_to(route, canary=route)
    client = await pooled.connect()
    assert await scalar(client, "SELECT 1") == 1
    assert await console.pause(timeout_s=30)
    canary = await pooled.connect_canary()
    assert await scalar(canary, "SELECT 7") == 7
    waiting = asyncio.create_task(scalar(client, "SELECT 8"))
    assert await scalar(canary, "SELECT 9") == 9
    assert not waiting.done()
    await console.resume()
    assert await waiting == 8
    await canary.close()
    await client.close()


async def test_pauses_never_cost_the_clients_a_query_or_a_second(pooled: Pooled, console: Console) -> None:
    """Also on a pool that is still opening: a login that a pause interrupts is tried again at once."""
    async with pooled.clients(12) as clients:
        stop, answered = asyncio.Event(), Counter[int]()
        load = [asyncio.create_task(_ask_until(one, stop, answered, who)) for who, one in enumerate(clients)]
        for _ in range(10):
            assert await console.pause(timeout_s=30)
            before = dict(answered)
            await console.resume()
            await until(lambda before=before: _all_more(answered, before, 12), timeout_s=10)  # type: ignore[misc]
        stop.set()
        await asyncio.gather(*load)


async def test_a_server_that_was_away_costs_its_clients_a_wait_and_no_error(host: Host) -> None:
    """The first login after it fails, and the next is tried soon: by default PgBouncer would wait for 15 seconds."""
    server = await host.new_server()
    pooled = planned(host, await host.new_database(server))
    await pooled.start()
    client = await pooled.connect()
    await host.engine.stop(server)
    asked = asyncio.create_task(scalar(client, "SELECT 1"))
    async with pooled.poolers.console(pooled.pooler) as console:

        async def waits() -> bool:
            return (await console.load()).waiting == 1

        await until(waits)
    await host.engine.start(server)
    assert await asyncio.wait_for(asked, timeout=10) == 1
    await client.close()
    await pooled.remove()


async def _ask_until(client: Client, stop: asyncio.Event, answered: Counter[int], who: int) -> None:
    while not stop.is_set():
        await client.execute("SELECT 1")
        answered[who] += 1


async def _insert_until(client: Client, stop: asyncio.Event, orders: Counter[int], who: int) -> None:
    while not stop.is_set():
        await client.execute(f"INSERT INTO orders VALUES ({who}, {orders[who]})".encode())
        orders[who] += 1


async def _all_more(counted: Counter[int], before: Mapping[int, int], clients: int) -> bool:
    """Each of them has been answered since."""
    return all(counted[who] > before.get(who, 0) for who in range(clients))


async def test_clients_go_on_at_a_promoted_follower_without_an_error(host: Host) -> None:
    leader = await host.new_server()
    pooled = planned(host, await host.new_database(leader))
    follower = await host.new_follower(leader)
    await pooled.start()
    async with pooled.clients(8) as clients, pooled.poolers.console(pooled.pooler) as console:
        await clients[0].execute("CREATE TABLE orders (who int, number int)")
        stop, orders = asyncio.Event(), Counter[int]()
        ordering = [asyncio.create_task(_insert_until(one, stop, orders, who)) for who, one in enumerate(clients)]
        await until(lambda: _all_more(orders, {}, 8))
        assert await console.pause(timeout_s=30)
        before = dict(orders)
        await until_replayed(follower, leader)
        await host.engine.promote(follower, acting_as="7:1")
        await console.lead_to(await pooled.route(follower), canary=await pooled.route(follower))
        canary = await pooled.connect_canary()
        assert await scalar(canary, "SELECT pg_is_in_recovery()") is False
        await canary.close()
        late = asyncio.create_task(pooled.connect())
        await console.resume()
        await (await late).close()
        await until(lambda: _all_more(orders, before, 8))
        stop.set()
        await asyncio.gather(*ordering)
    [(found,)] = await ask(follower, "SELECT count(*) FROM public.orders", pooled.database.name)
    await pooled.remove()
    assert int(found) == orders.total()


async def test_leading_elsewhere_while_nobody_waits_moves_idle_clients(host: Host) -> None:
    leader = await host.new_server()
    pooled = planned(host, await host.new_database(leader))
    follower = await host.new_follower(leader)
    await pooled.start()
    client = await pooled.connect()
    assert await scalar(client, "SELECT pg_is_in_recovery()") is False
    async with pooled.poolers.console(pooled.pooler) as console:
        await console.lead_to(await pooled.route(follower))
        await console.lead_to(await pooled.route(follower))
    assert await scalar(client, "SELECT pg_is_in_recovery()") is True
    await pooled.poolers.stop(pooled.pooler)
    await pooled.poolers.start(pooled.pooler)
    again = await pooled.connect()
    assert await scalar(again, "SELECT pg_is_in_recovery()") is True  # where it led last
    await again.close()
    await client.close()
    await pooled.remove()


async def test_clients_may_prepare_where_the_pooler_can(pooled: Pooled) -> None:
    if not pooled.poolers.facts().has_prepared_statements:
        pytest.skip("this PgBouncer has no prepared statements in transaction mode")
    async with pooled.clients(4) as clients:
        for client in clients:
            client.prepare_threshold = 0
        for number in range(20):
            answers = [await client.execute("SELECT %s::int", [number]) for client in clients]
            assert [await one.fetchone() for one in answers] == [(number,)] * 4


async def test_unknown_options_are_refused_and_not_forgotten(pooled: Pooled) -> None:
    if pooled.poolers.facts().version >= (1, 20):
        pytest.skip("this PgBouncer understands options")
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter: options"):
        await pooled.connect(options="-c search_path=elsewhere")
