"""Killed, cut off, restarted: the same order again ends in the same database."""

from __future__ import annotations

import asyncio

import pytest
from tests.corpus.servers import Server, run_sql
from tests.postgres.snapshot.conftest import Copy, sessions, wait_until

from changeover.postgres.snapshot import starting

POINTS = ('rows "public"."orders"', "phase rights", "phase done")
MORE_POINTS = (
    "phase roles", "phase schema", "index", "phase keys", "phase views",
    "view \"public\".\"z_first\"", "phase statistics",
)  # fmt: skip
AGAIN = "The copy started over"
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'changeover:%% copy' AND "


@pytest.mark.parametrize("point", [*POINTS, *(pytest.param(point, marks=pytest.mark.long) for point in MORE_POINTS)])
def test_killed_at_any_point_it_goes_on_where_it_was(copy: Copy, point: str) -> None:
    copy.harm(point)
    assert copy.run() is None
    report = copy.report()
    assert copy.has_arrived()
    assert AGAIN not in str(report["notes"])


def test_killed_and_the_source_written_to_it_begins_again_and_says_so(copy: Copy) -> None:
    copy.harm('rows "public"."orders"')
    assert copy.run() is None
    run_sql(copy.source, "UPDATE secrets SET body = 'new'", "DROP TABLE dogs", "ALTER TABLE cache ADD COLUMN more int")
    assert AGAIN in str(copy.report()["notes"])
    assert copy.has_arrived()


@pytest.mark.long
def test_killed_after_the_keys_and_the_source_written_to_it_begins_again(copy: Copy) -> None:
    copy.harm("phase statistics")
    assert copy.run() is None
    run_sql(copy.source, "DELETE FROM seen WHERE event = 7")
    assert AGAIN in str(copy.report()["notes"])
    assert copy.has_arrived()


def test_ended_as_asked_it_leaves_no_session_and_can_be_resumed(copy: Copy) -> None:
    copy.harm('stream "public"."orders"', "SIGSTOP")
    copy.until_harmed()
    copy.go_on()
    assert copy.child
    copy.child.terminate()
    assert copy.end() is None
    assert starting.last_said(copy.work).endswith("ended as requested; completed work is kept")
    wait_until(lambda: sessions(copy.source) == sessions(copy.target) == [])
    copy.report()
    assert copy.has_arrived()


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_connection_lost_in_the_middle_of_a_table_is_made_again_at_the_same_snapshot(copy: Copy, side: str) -> None:
    run_sql(copy.source, "INSERT INTO orders (customer, amount) SELECT 1, i FROM generate_series(1, 20000) i")
    copy.harm('stream "public"."orders"', "SIGSTOP")
    copy.until_harmed()
    run_sql(getattr(copy, side), END + "query LIKE 'COPY %%orders%%'")
    run_sql(copy.source, "INSERT INTO animals SELECT 'late' WHERE false", "CREATE TABLE later ()")
    copy.go_on()
    outcome = copy.end()
    assert outcome is not None
    assert outcome.report is not None, outcome.error and outcome.error.message
    assert outcome.report["notes"] == []
    run_sql(copy.source, "DROP TABLE later")
    assert copy.has_arrived()


def test_a_source_that_restarts_is_waited_for(copy: Copy, source_server: Server) -> None:
    copy.harm('stream "public"."orders"', "SIGSTOP")
    copy.until_harmed()
    asyncio.run(_restart(source_server))
    copy.go_on()
    outcome = copy.end()
    assert outcome is not None
    assert outcome.report is not None, outcome.error and outcome.error.message
    assert "The snapshot was lost" in str(outcome.report["notes"])
    assert copy.has_arrived()


def test_a_target_that_restarts_is_waited_for_and_the_snapshot_stays(copy: Copy, target_server: Server) -> None:
    copy.harm('stream "public"."orders"', "SIGSTOP")
    copy.until_harmed()
    asyncio.run(_restart(target_server))
    copy.go_on()
    outcome = copy.end()
    assert outcome is not None
    assert outcome.report is not None, outcome.error and outcome.error.message
    assert outcome.report["notes"] == []
    assert copy.has_arrived()


def test_idle_timeouts_of_the_source_do_not_end_the_snapshot(copy: Copy) -> None:
    """An ordinary session under the same timeouts is ended meanwhile."""
    timeouts = ("idle_in_transaction_session_timeout", "idle_session_timeout", "statement_timeout")
    run_sql(copy.source, *(f'ALTER DATABASE "{copy.source.database}" SET {name} = 1000' for name in timeouts))
    copy.harm('stream "public"."orders"', "SIGSTOP")
    copy.until_harmed()
    idle = "SELECT FROM pg_stat_activity WHERE application_name = 'idle'"
    run_sql(copy.source.with_(application_name="idle"), "BEGIN")
    import psycopg

    with psycopg.connect(copy.source.with_(application_name="idle").url) as session:
        session.execute("SELECT 1")
        wait_until(lambda: run_sql(copy.source.with_(dbname="postgres"), idle) == [])
        session.close()
    copy.go_on()
    outcome = copy.end()
    assert outcome is not None
    assert outcome.report is not None, outcome.error and outcome.error.message
    assert outcome.report["notes"] == []


async def _restart(server: Server) -> None:
    await server.cluster.kill()
    await server.cluster.start()


def test_what_an_attempt_left_out_is_named_by_the_one_that_ends(copy: Copy, source_server: Server) -> None:
    run_sql(source_server.location(), 'ALTER ROLE "reader" SUPERUSER')
    run_sql(
        copy.source, "INSERT INTO pg_seclabel VALUES ('orders'::regclass, 'pg_class'::regclass, 0, 'nobody', 'secret')"
    )
    copy.harm("phase statistics")
    try:
        assert copy.run() is None
        notes = str(copy.report()["notes"])
    finally:
        run_sql(source_server.location(), 'ALTER ROLE "reader" NOSUPERUSER')
    assert 'provider "nobody" is not loaded' in notes
    assert "Role reader is a superuser on the source" in notes


def test_rows_that_moved_to_other_blocks_between_two_attempts_are_copied_again(copy: Copy) -> None:
    run_sql(copy.source, "CREATE TABLE heap AS SELECT id, repeat('x', 100) AS pad FROM generate_series(1, 30000) id",
            "DELETE FROM heap WHERE id % 2 = 0")  # fmt: skip
    copy.order(is_held=True, connections=1, range_bytes=64 << 10)
    copy.harm("rows")
    assert copy.run() is None
    assert run_sql(copy.target, "SELECT count(*) > 0 FROM heap") == [(True,)]
    run_sql(copy.source, "VACUUM FULL heap")

    notes = copy.report()["notes"]

    assert run_sql(copy.target, "SELECT count(*), count(DISTINCT id) FROM heap") == [(15000, 15000)]
    assert sum('"heap"' in note and "The copy started over" in note for note in notes) == 1, notes
    assert copy.has_arrived()
