"""Views, partitions and foreign tables that can't be brought as they are."""

from __future__ import annotations

import pytest
from tests.changeovers.checks.fix_grounds import Ground, Pair, asked, results

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
async def test_rows_that_will_be_in_other_partitions_are_said(pair: Pair, kind: str) -> None:
    pair.here("CREATE TYPE color AS ENUM ('red', 'green')", KINDS[kind],
              "CREATE TABLE trips_0 PARTITION OF trips FOR VALUES WITH (MODULUS 1, REMAINDER 0)")  # fmt: skip

    empty = await asked("C36", pair.source)
    pair.here(f"INSERT INTO trips VALUES ({VALUES.get(kind, repr('red'))}, 1)")
    (found,) = await asked("C36", pair.source)

    assert results(empty) == ["passed"]
    assert found.result == "warning", found
    assert "Rows of public.trips can be in different partitions" in found.what
    assert pair.here(found.query) == [("trips_0", 1)]


IMPOSSIBLE = {
    "on a foreign server": (
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1')",
        "CREATE TABLE trips (k color, id int) PARTITION BY LIST (id)",
        "CREATE TABLE hashed PARTITION OF trips FOR VALUES IN (1) PARTITION BY HASH (k)",
        "CREATE TABLE trips_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE trips_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "INSERT INTO trips SELECT unnest(enum_range(NULL::color)), 1",
        "CREATE TABLE only_there (k color, id int) PARTITION BY HASH (k)",
        "CREATE TABLE only_0 PARTITION OF only_there FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE FOREIGN TABLE only_1 PARTITION OF only_there FOR VALUES WITH (MODULUS 2, REMAINDER 1) SERVER far",
        "INSERT INTO only_0 SELECT k, 1 FROM unnest(enum_range(NULL::color)) k"
        " WHERE satisfies_hash_partition('only_there'::regclass, 2, 0, k)",
        "only_there",
    ),
    "by an expression": (
        "CREATE FUNCTION as_color(text) RETURNS color LANGUAGE sql IMMUTABLE AS 'SELECT $1::public.color'",
        "CREATE TABLE trips (k text, id int) PARTITION BY HASH (as_color(k))",
        "CREATE TABLE trips_0 PARTITION OF trips FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        "INSERT INTO trips VALUES ('red', 1)",
        "trips",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", IMPOSSIBLE)
async def test_rows_that_can_not_be_loaded_through_the_table_fail_the_check(pair: Pair, kind: str) -> None:
    *statements, table = IMPOSSIBLE[kind]
    pair.here(
        "CREATE TYPE color AS ENUM ('red', 'green', 'blue', 'pink', 'gray', 'black', 'white', 'brown')", *statements
    )

    found = [one for one in await asked("C36", pair.source) if one.result == "failed"]

    assert [one.what.split(" is partitioned")[0] for one in found] == [f"On the source, the table public.{table}"]


async def test_a_text_has_another_hash_in_another_encoding(plain: Ground, pair: Pair) -> None:
    latin = plain.pair(options="ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    latin.here("CREATE TABLE words (word text) PARTITION BY HASH (word)",
               "CREATE TABLE words_0 PARTITION OF words FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
               "INSERT INTO words VALUES ('x')")  # fmt: skip

    assert results(await asked("C36", latin.source, pair.target)) == ["warning"]
    assert results(await asked("C36", latin.source)) == ["passed"]


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
