"""The pause of a changeover, verb by verb: the fence and its proof, the end of the source, arrival, promotion, canary."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
from tests.engines.fix_host import Database, Host, ask, until, until_replayed

from changeover.engines.engine import Server
from changeover.engines.passage import Passage
from changeover.errors import CanaryFailed, FenceFailed, WrongTarget
from changeover.postgres.wal import position_number

MARK = "7:1 attempt 1"


@dataclass
class Pair:
    """A leader with a database of orders, and its follower."""

    host: Host
    source: Server
    target: Server
    shop: Database

    @asynccontextmanager
    async def passage(self, acting_as: str = "7:1") -> AsyncIterator[Passage]:
        async with self.host.engine.passage(
            self.source, self.target, database=self.shop.name, role=self.shop.owner, acting_as=acting_as
        ) as passage:
            yield passage

    async def orders(self, server: Server) -> set[int]:
        return {row[0] for row in await ask(server, "SELECT id FROM public.orders", self.shop.name)}


@pytest.fixture
async def pair(host: Host) -> Pair:
    return await new_pair(host, await host.new_server())


async def new_pair(host: Host, source: Server) -> Pair:
    shop = await host.new_database(source)
    with shop.connect() as connection:
        connection.execute("CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, by text)")
    target = await host.new_follower(source)
    await until_replayed(target, source)
    return Pair(host, source, target, shop)


@dataclass
class Writers:
    """Direct clients that write as fast as they can, until they are refused."""

    acknowledged: set[int] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)


@contextmanager
def writing(shop: Database, count: int = 4) -> Iterator[Writers]:
    writers, over = Writers(), threading.Event()

    def write() -> None:
        while not over.is_set():
            try:
                with shop.connect(connect_timeout=5) as connection:
                    while not over.is_set():
                        [(number,)] = connection.execute("INSERT INTO orders (by) VALUES ('w') RETURNING id").fetchall()
                        writers.acknowledged.add(number)
            except psycopg.Error as refused:
                writers.refusals.append(str(refused))
                over.wait(0.01)

    threads = [threading.Thread(target=write) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield writers
    finally:
        over.set()
        for thread in threads:
            thread.join()


async def test_every_write_of_a_direct_client_is_on_the_target_or_was_rejected(pair: Pair) -> None:
    with writing(pair.shop) as writers:
        await until(lambda: _is(len(writers.acknowledged) > 200))
        async with pair.passage() as passage:
            await passage.prepare(MARK)
            fenced = await passage.fence(MARK, timeout_s=30)
            end = await passage.end_of_source("the-end")
            assert await passage.arrived(end, timeout_s=30)
            assert await passage.promote() == end.timeline + 1
            await passage.canary("first")
            await passage.settle()
        await until(lambda: _is(any("pg_hba.conf rejects" in one for one in writers.refusals)))

    assert "pg_hba.conf rejects connection" in fenced.refusal
    assert fenced.ended
    assert writers.acknowledged == await pair.orders(pair.target)
    assert await pair.orders(pair.source) == await pair.orders(pair.target)


async def test_the_end_of_the_source_is_flushed_even_where_commits_are_not(pair: Pair) -> None:
    await ask(pair.source, "ALTER SYSTEM SET synchronous_commit = off")
    await ask(pair.source, "SELECT pg_reload_conf()")
    with pair.shop.connect() as late:
        late.execute("INSERT INTO orders (by) SELECT 'late' FROM generate_series(1, 500)")
        async with pair.passage() as passage:
            end = await passage.end_of_source("t")
            ((inserted,),) = await ask(pair.source, "SELECT pg_current_wal_flush_lsn()::text")
            assert position_number(str(inserted)) >= position_number(end.position)
            assert await passage.arrived(end, timeout_s=30)

    assert await pair.orders(pair.source) == await pair.orders(pair.target)


async def test_a_lifted_fence_lets_everybody_in_again(pair: Pair) -> None:
    engine = pair.host.engine
    async with pair.passage() as passage:
        await passage.prepare(MARK)
        await passage.fence(MARK, timeout_s=30)
        assert engine.fenced_by(pair.source) == MARK
        with pytest.raises(psycopg.OperationalError, match="rejects"):
            pair.shop.connect()
        await engine.lift_fence(pair.source)
        assert engine.fenced_by(pair.source) is None

    assert await _can_enter(pair.shop)


async def test_a_fence_outlives_a_crash_of_the_server(pair: Pair) -> None:
    async with pair.passage() as passage:
        await passage.prepare(MARK)
        await passage.fence(MARK, timeout_s=30)
    await pair.host.engine.stop(pair.source)
    await pair.host.engine.start(pair.source)

    assert pair.host.engine.fenced_by(pair.source) == MARK
    with pytest.raises(psycopg.OperationalError, match="rejects"):
        pair.shop.connect()


async def test_the_fence_does_not_reach_the_follower(pair: Pair) -> None:
    async with pair.passage() as passage:
        await passage.prepare(MARK)
        await passage.fence(MARK, timeout_s=30)
        end = await passage.end_of_source("t")
        assert await passage.arrived(end, timeout_s=30)

        on_target = Database(pair.target, pair.shop.name, pair.shop.owner, pair.shop.authority)
        with on_target.connect() as reader:
            assert reader.execute("SELECT count(*) FROM orders").fetchone() == (0,)


async def test_an_open_transaction_is_named_and_with_the_fence_rolled_back(pair: Pair) -> None:
    with pair.shop.connect(application_name="accounting") as idle:
        idle.execute("BEGIN READ WRITE")
        idle.execute("INSERT INTO orders (by) VALUES ('never committed')")
        async with pair.passage() as passage:
            readiness = await passage.readiness(quiet_s=0)
            assert "application accounting, idle in transaction" in readiness.in_the_way[0]
            await passage.prepare(MARK)
            await passage.fence(MARK, timeout_s=30)
            with pytest.raises(psycopg.OperationalError):
                idle.execute("COMMIT")
            end = await passage.end_of_source("t")
            assert await passage.arrived(end, timeout_s=30)

    assert await pair.orders(pair.target) == set()


async def test_a_reader_on_the_follower_does_not_hold_up_the_drain(pair: Pair) -> None:
    on_target = Database(pair.target, pair.shop.name, pair.shop.owner, pair.shop.authority)
    with pair.shop.connect() as app, on_target.connect() as reader:
        app.execute("INSERT INTO orders (by) SELECT 'x' FROM generate_series(1, 100)")
        await until_replayed(pair.target, pair.source)
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM orders")
        async with pair.passage() as passage:
            await passage.prepare(MARK)
            app.execute("DELETE FROM orders")
            app.execute("VACUUM orders")
            end = await passage.end_of_source("t")
            assert await passage.arrived(end, timeout_s=20)
            with pytest.raises(psycopg.Error, match="conflict with recovery"):
                reader.execute("SELECT count(*) FROM orders")


async def test_a_target_that_was_promoted_by_somebody_is_refused(pair: Pair) -> None:
    await pair.host.engine.promote(pair.target, acting_as="9:1")
    async with pair.passage() as passage:
        end = await passage.end_of_source("t")
        with pytest.raises(WrongTarget) as refused:
            await passage.arrived(end, timeout_s=1)
    assert "timeline 2" in refused.value.why


async def test_a_role_that_can_not_log_in_is_found_out_before_anything_happens(pair: Pair) -> None:
    wrong = type(pair.shop.owner)(pair.shop.owner.user, "not the password")
    with pytest.raises(CanaryFailed, match="can't log in"):
        async with pair.host.engine.passage(
            pair.source, pair.target, database=pair.shop.name, role=wrong, acting_as="7:1"
        ):
            pytest.fail("the login succeeded")

    assert pair.host.engine.fenced_by(pair.source) is None


async def test_a_fence_that_does_not_stand_in_time_is_no_fence(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.postgres.cluster.Cluster.reload", lambda _: None)
    async with pair.passage() as passage:
        await passage.prepare(MARK)
        with pytest.raises(FenceFailed) as refused:
            await passage.fence(MARK, timeout_s=0.2)
    assert "still accepts logins" in refused.value.why


async def _is(value: bool) -> bool:
    return value


async def _can_enter(shop: Database) -> bool:
    try:
        shop.connect().close()
    except psycopg.OperationalError:
        return False
    return True
