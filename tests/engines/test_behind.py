"""Behind by N commits: true ones, and all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.engines.fix_host import Host, ask, until, until_replayed

from changeover.engines.engine import Server
from changeover.postgres.connect import Address, connect
from changeover.postgres.wal import count_commits


@pytest.fixture
async def paused(host: Host, leader: Server, follower: Server) -> AsyncIterator[Server]:
    """The follower, not replaying: what the leader commits now is what it is behind by."""
    await ask(leader, "DROP TABLE IF EXISTS public.t")
    await ask(leader, "CREATE TABLE public.t (i int, x text) WITH (autovacuum_enabled = off)")
    await ask(leader, "INSERT INTO public.t SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i")
    await until_replayed(follower, leader)
    await ask(follower, "SELECT pg_wal_replay_pause()")

    async def is_paused() -> bool:
        return await ask(follower, "SELECT pg_get_wal_replay_pause_state()") == [("paused",)]

    await until(is_paused)
    yield follower
    await ask(follower, "SELECT pg_wal_replay_resume()")


COMMITTING = {
    "one insert": ("INSERT INTO public.t VALUES (1)", 1),
    "many small ones": ("DO 'BEGIN FOR i IN 1..50 LOOP INSERT INTO public.t VALUES (i); COMMIT; END LOOP; END'", 50),
    "an aborted one": ("DO 'BEGIN INSERT INTO public.t VALUES (1); ROLLBACK; END'", 0),
    "subtransactions": (
        "DO 'BEGIN FOR i IN 1..5 LOOP BEGIN INSERT INTO public.t VALUES (i); PERFORM 1 / (i % 2);"
        " EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END'",
        1,
    ),
    "rows locked": ("DO 'BEGIN PERFORM FROM public.t WHERE i = 5 FOR UPDATE; END'", 1),
    "a locked table": ("DO 'BEGIN LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE; END'", 0),
    "a table emptied": ("TRUNCATE public.t", 1),
    "a new table": ("CREATE TABLE public.other (i int); DROP TABLE public.other", 1),
    "a vacuum": ("VACUUM public.t", 0),
    "a read": ("SELECT count(*) FROM public.t", 0),
}


@pytest.mark.parametrize("case", COMMITTING)
async def test_only_commits_that_wrote_something_count(host: Host, leader: Server, paused: Server, case: str) -> None:
    statement, commits = COMMITTING[case]
    await ask(leader, statement)
    behind = await host.engine.behind(paused, leader)
    assert (behind.commits, behind.is_exact, behind.is_streaming, behind.is_lost) == (commits, True, True, False)


async def test_n_commits_with_everything_else_between_them_are_n(host: Host, leader: Server, paused: Server) -> None:
    for statement, _ in COMMITTING.values():
        await ask(leader, statement)
    await ask(leader, "INSERT INTO public.t SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i")
    await ask(leader, "DELETE FROM public.t WHERE i > 10")
    await ask(leader, "VACUUM (TRUNCATE) public.t")  # gives pages back: takes a transaction id just to lock the table
    assert (await ask(leader, "SELECT pg_relation_size('public.t') < 100000"))[0] == (True,)

    behind = await host.engine.behind(paused, leader)

    assert behind.commits == sum(commits for _, commits in COMMITTING.values()) + 2
    assert behind.bytes > 1_000_000
    assert behind.seconds > 0


async def test_caught_up_is_nought(host: Host, leader: Server, follower: Server) -> None:
    await ask(leader, "CREATE TABLE IF NOT EXISTS public.nought (i int)")
    await until_replayed(follower, leader)
    behind = await host.engine.behind(follower, leader)
    assert (behind.commits, behind.seconds, behind.is_exact) == (0, 0.0, True)


async def test_a_long_stretch_is_sampled_and_says_so(host: Host, leader: Server) -> None:
    address = Address(leader.socket_directory, leader.port)
    async with connect(address, timeout_s=60) as connection:
        ((start,),) = await ask(leader, "SELECT pg_current_wal_flush_lsn()::text")
        await ask(leader, "CREATE TABLE public.long (x text)")
        await ask(
            leader,
            "DO 'BEGIN FOR i IN 1..6000 LOOP INSERT INTO public.long SELECT repeat(''x'', 1000)"
            " FROM generate_series(1, 1 + i % 30); COMMIT; END LOOP; END'",
        )
        ((end,),) = await ask(leader, "SELECT pg_current_wal_flush_lsn()::text")
        sampled = await count_commits(connection, start, end, longest_exact=64 * 1024 * 1024)
        exact = await count_commits(connection, start, end)
    assert sampled is not None
    assert exact is not None
    assert (sampled.is_exact, exact.is_exact) == (False, True)
    assert abs(sampled.commits - exact.commits) <= 0.2 * exact.commits


async def test_wal_that_is_gone_cannot_be_counted(leader: Server) -> None:
    async with connect(Address(leader.socket_directory, leader.port)) as connection:
        assert await count_commits(connection, "0/10028", "0/20028") is None
