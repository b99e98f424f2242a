"""What a newer target no longer accepts, or can't load."""

from __future__ import annotations

from tests.changeovers.checks.fix_grounds import Pair, asked, results


async def test_compiled_functions_are_tried_on_the_target(pair: Pair, newer_pair: Pair) -> None:
    """One of a library that PostgreSQL 17 gave up, one that its library doesn't have, one of the server's own that is gone."""
    pair.here(
        "CREATE FUNCTION fine() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'",
        "CREATE FUNCTION mapping() RETURNS SETOF record LANGUAGE c AS '$libdir/old_snapshot', 'pg_old_snapshot_time_mapping'",
        "CREATE FUNCTION other(oid) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_validator'",
        "CREATE FUNCTION written() RETURNS bigint LANGUAGE internal AS 'pg_stat_get_bgwriter_buf_written_checkpoints'",
        "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)",
        "CREATE TYPE span AS RANGE (subtype = int)",
        "UPDATE pg_proc SET prosrc = 'gone' WHERE proname = 'other'",
    )

    own, of_a_library, of_a_symbol = await asked("T21", pair.source, newer_pair.target)
    here = await asked("T21", pair.source, pair.target)

    assert results([own, of_a_library, of_a_symbol]) == ["failed"] * 3
    assert "PostgreSQL's own code: public.written()" in own.what
    assert "$libdir/plpgsql: public.other(oid)" in of_a_symbol.what
    assert "$libdir/old_snapshot: public.mapping()" in of_a_library.what
    assert pair.here(of_a_library.query) == [("mapping()", "pg_old_snapshot_time_mapping")]
    assert [one.what for one in here] == [of_a_symbol.what]
    assert newer_pair.there("SELECT 1 FROM pg_namespace WHERE nspname = '_changeover_probe'") == []


async def test_columns_unlike_those_of_the_parent_are_named_where_the_target_refuses_them(
    pair: Pair, newer_pair: Pair
) -> None:
    pair.here(
        "CREATE TABLE base (a int, b int)",
        "CREATE TABLE twice (a int, b int GENERATED ALWAYS AS (a * 2) STORED) INHERITS (base)",
        "CREATE TABLE parts (a int, b int, n int NOT NULL) PARTITION BY LIST (a)",
        "CREATE TABLE part (a int, b int GENERATED ALWAYS AS (a * 2) STORED, n int GENERATED ALWAYS AS IDENTITY)",
        "ALTER TABLE parts ATTACH PARTITION part FOR VALUES IN (1)",
        "CREATE TABLE numbered (a int GENERATED ALWAYS AS IDENTITY, b int) INHERITS (base)",
    )

    found = await asked("T22", pair.source, newer_pair.target)
    here = await asked("T22", pair.source, pair.target)
    for one in found:
        for statement in one.fix.split("for each: ")[1].rstrip(";").split("; "):
            pair.here(statement)

    assert (results(found), results(here)) == (["failed"] * 3, ["passed"])
    assert "generated column of public.twice." in found[0].what
    assert ["public.part." in one.what for one in found] == [False, True, True]
    assert results(await asked("T22", pair.source, newer_pair.target)) == ["passed"]


async def test_foreign_keys_between_collations_are_named_where_the_target_refuses_them(
    pair: Pair, newer_pair: Pair
) -> None:
    pair.here(
        "CREATE COLLATION loose (provider = icu, locale = 'und', deterministic = false)",
        'CREATE TABLE named (name text COLLATE loose PRIMARY KEY, code text COLLATE "C" UNIQUE)',
        "CREATE TABLE uses (name text REFERENCES named, code text REFERENCES named (code))",
    )

    (found,) = await asked("T22", pair.source, newer_pair.target)
    pair.here(found.fix.removeprefix("On the source: "))

    assert (found.result, "uses_name_fkey of public.uses" in found.what) == ("failed", True)
    assert results(await asked("T22", pair.source, pair.target)) == ["passed"]
    assert results(await asked("T22", pair.source, newer_pair.target)) == ["passed"]
