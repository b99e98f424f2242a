"""Materialized views and foreign tables on the way: filled where that is possible, and named where it is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.corpus.moving import by_snapshot
from tests.corpus.servers import Server, programs_of, run_sql, running

from changeover.postgres.comparing import compare
from changeover.postgres.location import Location

FAR = """
CREATE EXTENSION postgres_fdw;
CREATE TABLE near (id int PRIMARY KEY);
INSERT INTO near SELECT generate_series(1, 100);
GRANT SELECT ON near TO far_reader;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host {host}, dbname {database});
CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'far_reader', password 'far');
CREATE FOREIGN TABLE far_near (id int) SERVER far OPTIONS (table_name 'near');
CREATE MATERIALIZED VIEW cached AS SELECT id FROM far_near;
CREATE UNIQUE INDEX ON cached (id);
CREATE MATERIALIZED VIEW "above it" AS SELECT max(id) FROM cached;
CREATE MATERIALIZED VIEW sound AS SELECT count(*) FROM near;
CREATE TABLE log (y int, line text) PARTITION BY LIST (y);
CREATE TABLE log_2024 PARTITION OF log FOR VALUES IN (2024);
INSERT INTO log SELECT 2024, 'x' FROM generate_series(1, 50);
CREATE FOREIGN TABLE log_2020 PARTITION OF log FOR VALUES IN (2020) SERVER far OPTIONS (table_name 'old_log');
ALTER SERVER far OPTIONS (SET host '/nowhere')"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = programs_of(15)
    assert programs is not None
    with running(programs) as server:
        run_sql(server.location(), "CREATE ROLE far_reader LOGIN PASSWORD 'far'")
        yield server


@pytest.fixture
def source(server: Server) -> Location:
    location = server.database()
    ends = [f"'{location.parameters[name]}'" for name in ("host", "dbname")]
    run_sql(location, *FAR.format(host=ends[0], database=ends[1]).split(";\n"))
    return location


def filled(location: Location) -> list[str]:
    rows = run_sql(location, "SELECT relname::text FROM pg_class WHERE relkind = 'm' AND relispopulated ORDER BY 1")
    return [name for (name,) in rows]


async def test_foreign_tables_that_do_not_answer_are_named_and_the_rest_is_there(
    server: Server, source: Location
) -> None:
    target = server.database()

    notes = (await by_snapshot(source, target))["notes"]

    assert filled(target) == ["sound"]
    for name in ("public.cached", "public.above it"):
        assert [one for one in notes if name in one.replace('"', "") and "could not be filled and is empty" in one]
    assert [one for one in notes if one.startswith('No statistics of "public"."log"')]
    analyzed = run_sql(target, "SELECT reltuples FROM pg_class WHERE relname = 'log_2024'")
    assert analyzed == [(50,)]
    found = await compare(source, target)
    assert found.is_equal, found.as_dict()
    server.drop(target)


async def test_views_stay_empty_when_asked_and_are_named(server: Server, source: Location) -> None:
    target = server.database()

    notes = (await by_snapshot(source, target, refresh="none"))["notes"]

    assert filled(target) == []
    assert [one for one in notes if one.startswith("Not filled because of") and '"public"."sound"' in one]
    server.drop(target)
