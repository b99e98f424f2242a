"""Views, partitions and foreign tables that can't be brought as they are."""

from __future__ import annotations

import pytest
from tests.changeovers.checks.fix_grounds import Pair, asked, results

from changeover.changeovers.checks import partitions


async def test_a_view_that_reads_itself_is_named(pair: Pair) -> None:
    pair.here('CREATE VIEW "Loop" AS SELECT 1 AS a', 'CREATE OR REPLACE VIEW "Loop" AS SELECT a FROM "Loop"',
              "CREATE VIEW fine AS SELECT 1 AS a", "CREATE VIEW twice AS SELECT x.a FROM fine x, fine y")  # fmt: skip

    (found,) = await asked("C35", pair.source)
    assert results(await asked("T20", pair.source, pair.target)) == ["passed"]
    assert found.what == 'On the source, the view public."Loop" reads itself.'
    assert "SELECT" in pair.here(found.query)[0][0]
    pair.here(found.fix.split(";")[0])

    assert results(await asked("C35", pair.source)) == ["passed"]


async def test_views_of_what_a_newer_version_gave_up_are_named(pair: Pair, newer_pair: Pair) -> None:
    pair.here(
        "CREATE TABLE mine (a int)",
        "CREATE VIEW mixed AS SELECT m.a, s.checkpoints_timed FROM mine m, pg_stat_bgwriter s",
        "CREATE MATERIALIZED VIEW bases AS SELECT datname, daticulocale FROM pg_database",
        "CREATE VIEW fine AS SELECT m.a, s.datname FROM mine m, pg_stat_activity s",
        "CREATE EXTENSION pg_stat_statements",
        "CREATE VIEW slow AS SELECT blk_read_time FROM pg_stat_statements",
    )

    found = await asked("T20", pair.source, newer_pair.target)
    same = await asked("T20", pair.source, pair.target)

    told = {one.fix.split(";")[0].split("VIEW ")[1]: one for one in found}
    assert set(told) - {"public.slow"} == {"public.mixed", "public.bases"}
    assert "pg_stat_bgwriter.checkpoints_timed" in told["public.mixed"].what
    assert "daticulocale" in told["public.bases"].what
    assert told["public.bases"].fix.startswith("On the source: DROP MATERIALIZED VIEW public.bases;")
    assert {one.result for one in found} == {"failed"}
    assert results(same) == ["passed"]
    assert newer_pair.there("SELECT 1 FROM pg_extension WHERE extname <> 'plpgsql'") == []


async def test_an_extension_s_view_is_looked_for_by_its_columns(pair: Pair, newer_pair: Pair) -> None:
    offered = newer_pair.there("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements'")
    pair.here("CREATE EXTENSION pg_stat_statements", "CREATE VIEW slow AS SELECT blk_read_time FROM pg_stat_statements")

    (found,) = await asked("T20", pair.source, newer_pair.target)

    assert (found.result == "failed") == bool(offered)
    assert not offered or "pg_stat_statements.blk_read_time" in found.what


KINDS = {
    "an enum": "CREATE TABLE trips (k color, id int) PARTITION BY HASH (k)",
    "the second column": "CREATE TABLE trips (k color, id int) PARTITION BY HASH (id, k)",
    "a domain": "CREATE DOMAIN hue AS color; CREATE TABLE trips (k hue, id int) PARTITION BY HASH (k)",
    "an array": "CREATE TABLE trips (k color[], id int) PARTITION BY HASH (k)",
    "a composite": "CREATE TYPE pair AS (a int, b color); CREATE TABLE trips (k pair, id int) PARTITION BY HASH (k)",
    "a class": "CREATE TABLE trips (k regclass, id int) PARTITION BY HASH (k)",
    "a level below": "CREATE TABLE top (k color, id int) PARTITION BY LIST (id);"
    " CREATE TABLE trips PARTITION OF top DEFAULT PARTITION BY HASH (k)",
}
VALUES = {"an array": "'{red}'", "a composite": "'(1,red)'", "a class": "'pg_class'"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_table_hashed_by_the_numbers_of_labels_fails_the_check(pair: Pair, kind: str) -> None:
    pair.here("CREATE TYPE color AS ENUM ('red', 'green')", KINDS[kind],
              "CREATE TABLE trips_0 PARTITION OF trips FOR VALUES WITH (MODULUS 1, REMAINDER 0)")  # fmt: skip

    empty = await asked("C36", pair.source)
    pair.here(f"INSERT INTO trips VALUES ({VALUES.get(kind, repr('red'))}, 1)")
    (found,) = await asked("C36", pair.source)

    assert results(empty) == ["passed"]
    assert found.result == "failed", found
    assert "public.trips is partitioned by HASH (" in found.what
    assert pair.here(found.query) == [("trips_0", 1)]


async def test_other_partitions_are_where_they_were(pair: Pair) -> None:
    pair.here(
        "CREATE TYPE color AS ENUM ('red')", "CREATE TABLE a (k text, c color) PARTITION BY HASH (k)",
        "CREATE TABLE a_0 PARTITION OF a FOR VALUES WITH (MODULUS 1, REMAINDER 0)", "INSERT INTO a VALUES ('x', 'red')",
        "CREATE TABLE b (c color) PARTITION BY LIST (c)", "CREATE TABLE b_0 PARTITION OF b DEFAULT",
        "INSERT INTO b VALUES ('red')",
    )  # fmt: skip

    assert results(await asked("C36", pair.source)) == ["passed"]


async def test_hashed_tables_that_there_was_no_time_for_are_said(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "WITHIN_S", 0)
    pair.here("CREATE TYPE color AS ENUM ('red', 'green')", KINDS["an enum"])

    assert results(await asked("C36", pair.source)) == ["warning"]


async def test_what_reads_a_foreign_server_is_named_without_its_password(pair: Pair) -> None:
    pair.here(
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'hush')",
        "CREATE FOREIGN TABLE old (y int) SERVER far", "CREATE VIEW between AS SELECT y FROM old",
        "CREATE MATERIALIZED VIEW cached AS SELECT y FROM between WITH NO DATA",
        "CREATE TABLE log (y int) PARTITION BY LIST (y)",
        "CREATE FOREIGN TABLE log_1 PARTITION OF log FOR VALUES IN (1) SERVER far",
        "CREATE MATERIALIZED VIEW of_log AS SELECT y FROM log WITH NO DATA",
    )  # fmt: skip

    views, parts = await asked("C37", pair.source)

    where = "far (host=127.0.0.1, port=1)"
    assert views.what == (
        f"2 materialized views of the source read the foreign server {where}: public.cached, public.of_log."
    )
    assert parts.what == f"Parts of tables of the source are on the foreign server {where}: public.log_1."
    assert "hush" not in str([views, parts])
    assert [row[:2] for row in pair.here(views.query)] == [("old", "far"), ("log_1", "far")]


async def test_a_foreign_table_by_itself_needs_no_server_for_the_move(pair: Pair) -> None:
    pair.here("CREATE EXTENSION postgres_fdw", "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw",
              "CREATE FOREIGN TABLE old (y int) SERVER far", "CREATE VIEW between AS SELECT y FROM old")  # fmt: skip

    assert results(await asked("C37", pair.source)) == ["passed"]
