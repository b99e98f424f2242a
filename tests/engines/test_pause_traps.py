"""What a pause can lose or wait for without anybody noticing: each trap that was met on real servers, and that it is avoided.

Two more are in test_passage.py: an open transaction walks through a read-only fence, and a reader stops replay.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psycopg
import pytest
from tests.engines.fix_host import Database, Host, ask, until
from tests.engines.fix_poolers import Client, Pooled, planned, scalar
from tests.engines.test_passage import Pair, new_pair, writing
from tests.fix_poolers import needs_pgbouncer

from changeover.engines.passage import Fenced
from changeover.engines.pooler import Console

MARK = "7:1 attempt 1"


@pytest.fixture
async def pair(host: Host) -> Pair:
    return await new_pair(host, await host.new_server())


@dataclass
class Paused:
    """What came of a pause. `timeline` is the target's, right after its promotion."""

    fenced: Fenced
    timeline: int


async def pause(pair: Pair) -> Paused:
    """All of it: the target leads, the source is fenced."""
    async with pair.passage() as passage:
        await passage.prepare(MARK)
        fenced = await passage.fence(MARK, timeout_s=30)
        assert await passage.arrived(await passage.end_of_source("end"), timeout_s=30)
        timeline = await passage.promote()
        await passage.settle()
    return Paused(fenced, timeline)


async def test_the_end_arrives_at_once_where_nobody_flushes(pair: Pair) -> None:
    """Asynchronous commits lie in memory until the WAL writer comes by, here for ten seconds."""
    await ask(pair.source, "ALTER SYSTEM SET synchronous_commit = off")
    await ask(pair.source, "ALTER SYSTEM SET wal_writer_delay = '10s'")
    await ask(pair.source, "SELECT pg_reload_conf()")
    with pair.shop.connect() as app:
        async with pair.passage() as passage:
            await passage.prepare(MARK)
            for number in range(20):
                app.execute(f"INSERT INTO orders (by) VALUES ('{number}')".encode())
            assert await passage.arrived(await passage.end_of_source("end"), timeout_s=5)
            assert len(await pair.orders(pair.target)) == 20


async def test_the_timeline_is_the_new_one_right_after_the_promotion(pair: Pair) -> None:
    """The control file goes on naming the old one until the first checkpoint."""
    paused = await pause(pair)

    assert paused.timeline == 2


async def test_what_a_promotion_copies_is_small(pair: Pair) -> None:
    assert await ask(pair.target, "SHOW wal_segment_size") == [("4MB",)]


async def test_no_number_is_given_twice(pair: Pair) -> None:
    """A follower's sequences are ahead of its leader's, never behind."""
    with writing(pair.shop) as writers:
        await until(lambda: _is(len(writers.acknowledged) > 200))
        await pause(pair)
    with on_target(pair).connect() as app:
        given = app.execute("INSERT INTO orders (by) SELECT 'new' FROM generate_series(1, 100) RETURNING id").fetchall()

    assert min(number for (number,) in given) > max(writers.acknowledged)


async def test_a_prepared_transaction_is_listed_and_can_be_ended_on_the_target(host: Host) -> None:
    source = await host.new_server()
    await ask(source, "ALTER SYSTEM SET max_prepared_transactions = 5")
    await host.engine.stop(source)
    await host.engine.start(source)
    pair = await new_pair(host, source)
    with pair.shop.connect() as app:
        app.execute("BEGIN")
        app.execute("INSERT INTO orders (by) VALUES ('prepared')")
        app.execute("PREPARE TRANSACTION 'payment 7'")

    paused = await pause(pair)

    assert paused.fenced.prepared == ("payment 7",)
    assert await pair.orders(pair.target) == set()
    with on_target(pair).connect() as app:
        app.execute("COMMIT PREPARED 'payment 7'")
    assert await pair.orders(pair.target) == {1}


async def test_the_old_leader_takes_no_write_any_more(pair: Pair) -> None:
    """By itself it would: nothing tells it that there is another."""
    with pair.shop.connect() as old:
        old.execute("INSERT INTO orders (by) VALUES ('before')")
        await pause(pair)
        with pytest.raises(psycopg.OperationalError):
            old.execute("INSERT INTO orders (by) VALUES ('after')")
    with pytest.raises(psycopg.OperationalError, match="rejects"):
        pair.shop.connect()

    assert await ask(pair.source, "SELECT pg_is_in_recovery()") == [(False,)]
    assert await pair.orders(pair.source) == {1}


@pytest.fixture
async def pooled(host: Host, pair: Pair) -> AsyncIterator[Pooled]:
    """A pooler that nobody has come through yet."""
    made = planned(host, pair.shop)
    await made.start()
    yield made
    await made.remove()


@needs_pgbouncer
async def test_a_pause_with_an_open_transaction_returns_in_its_time_and_leaves_nothing_behind(pooled: Pooled) -> None:
    """RESUME from elsewhere works, but the PAUSE that waits is never answered: the next one must not wait for it."""
    idle = await pooled.connect()
    async with pooled.poolers.console(pooled.pooler) as console:
        async with idle.transaction():
            await idle.execute("SELECT 1")
            for _ in range(3):
                assert not await asyncio.wait_for(console.pause(timeout_s=0.06), timeout=10)
        assert await asyncio.wait_for(console.pause(timeout_s=30), timeout=60)
        await console.resume()
    assert await scalar(idle, "SELECT 2") == 2
    await idle.close()


@needs_pgbouncer
async def test_who_comes_in_during_a_pause_waits_and_is_served_by_the_target(pair: Pair, pooled: Pooled) -> None:
    known = await pooled.connect()
    assert await scalar(known, "SELECT pg_is_in_recovery()") is False
    async with pooled.poolers.console(pooled.pooler) as console:
        assert await console.pause(timeout_s=30)
        before = asyncio.create_task(_first_order(pooled))
        await until(lambda: _somebody_waits(console))
        await pause(pair)
        await console.lead_to(await pooled.route(pair.target))
        after = asyncio.create_task(_first_order(pooled))
        assert not before.done()
        await console.resume()
        numbers = await asyncio.gather(before, after)
    await known.close()

    assert set(numbers) == await pair.orders(pair.target)


async def _first_order(pooled: Pooled) -> object:
    client: Client = await pooled.connect()
    try:
        return await scalar(client, "INSERT INTO orders (by) VALUES ('late') RETURNING id")
    finally:
        await client.close()


def on_target(pair: Pair) -> Database:
    return Database(pair.target, pair.shop.name, pair.shop.owner, pair.shop.authority)


async def _somebody_waits(console: Console) -> bool:
    return (await console.load()).waiting > 0


async def _is(value: bool) -> bool:
    return value
