"""What a target's ordinary login may not make."""

from __future__ import annotations

from tests.changeovers.checks.fix_grounds import Pair, asked, results

MADE = (
    "CREATE TYPE own AS (a int)",
    "CREATE FUNCTION as_text(own) RETURNS text LANGUAGE sql AS 'SELECT ''x'''",
    "CREATE FUNCTION as_date(bigint) RETURNS date LANGUAGE sql AS 'SELECT current_date'",
    "CREATE FUNCTION safe(int) RETURNS int LEAKPROOF LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION planned(int) RETURNS int LANGUAGE sql SUPPORT generate_series_int4_support AS 'SELECT 1'",
    "CREATE AGGREGATE total(int8) (SFUNC = int8_avg_accum, STYPE = internal, FINALFUNC = numeric_poly_avg)",
    "CREATE OPERATOR FAMILY kin USING btree",
    "CREATE ACCESS METHOD heap_too TYPE TABLE HANDLER heap_tableam_handler",
    "CREATE FOREIGN DATA WRAPPER branch",
    "CREATE CAST (own AS text) WITH FUNCTION as_text(own)",
    "CREATE CAST (bigint AS date) WITH FUNCTION as_date(bigint)",
    "CREATE TYPE span AS RANGE (subtype = int)",
    "CREATE EXTENSION hstore",
)


async def test_what_only_a_superuser_makes_is_tried_and_named_with_the_statement_that_drops_it(pair: Pair) -> None:
    pair.here(*MADE)
    target = pair.as_owner(pair.target)

    found = await asked("T23", pair.source, target)
    for one in found:
        pair.here(one.fix.split("for each: ")[1])

    assert [one.what.split("has: ")[1] for one in found] == [
        "access method heap_too.",
        "aggregate with internal state public.total(bigint).",
        "cast (bigint AS date).",
        "foreign data wrapper branch.",
        "function with planner support public.planned(integer).",
        "leakproof function public.safe(integer).",
        "operator family public.kin USING btree.",
    ]
    assert results(found) == ["failed"] * 7
    assert results(await asked("T23", pair.source, target)) == ["passed"]
    assert pair.there("SELECT 1 FROM pg_namespace WHERE nspname = '_changeover_probe'") == []


async def test_casts_transforms_and_functions_that_only_a_superuser_makes_are_named(pair: Pair) -> None:
    pair.here(
        "CREATE FUNCTION given(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'prsd_lextype'",
        "CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION given(internal))",
        "CREATE CAST (timestamp AS bigint) WITHOUT FUNCTION",
        "CREATE LANGUAGE untrusted HANDLER plpgsql_call_handler",
        "CREATE FUNCTION free() RETURNS int LANGUAGE untrusted AS ''",
    )

    found = await asked("T23", pair.source, pair.as_owner(pair.target))
    for one in found:
        pair.here(one.fix.split("for each: ")[1])

    assert [one.what.split("has: ")[1] for one in found] == [
        "cast without function (timestamp without time zone AS bigint).",
        "function in an untrusted language public.free().",
        "transform for integer language sql.",
    ]
    assert results(await asked("T23", pair.source, pair.as_owner(pair.target))) == ["passed"]


async def test_rights_that_a_superuser_of_the_target_can_give_are_named_with_the_grant(pair: Pair) -> None:
    pair.here(
        "CREATE TRUSTED LANGUAGE closed HANDLER plpgsql_call_handler",
        "CREATE FUNCTION one() RETURNS int LANGUAGE closed AS ''",
        "CREATE FUNCTION two() RETURNS int LANGUAGE sql SET log_statement = 'none' SET work_mem = '1MB' AS 'SELECT 1'",
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER branch FOREIGN DATA WRAPPER postgres_fdw",
    )
    pair.there("CREATE EXTENSION postgres_fdw", "CREATE TRUSTED LANGUAGE closed HANDLER plpgsql_call_handler",
               "REVOKE USAGE ON LANGUAGE closed FROM PUBLIC")  # fmt: skip
    target = pair.as_owner(pair.target)

    found = await asked("T23", pair.source, target)

    assert [one.what.split(" has ")[1] for one in found] == ["public.one().", "branch.", "public.two()."]
    assert "on parameter" in found[2].fix.lower()
    pair.there(*(one.fix.removeprefix("As a superuser of the target: ") for one in found[:2]))
    assert len(await asked("T23", pair.source, target)) == 1
    assert results(await asked("T23", pair.source, pair.target)) == ["passed"]


async def test_base_types_and_shells_of_types_are_named(pair: Pair) -> None:
    pair.here(
        "CREATE TYPE later",
        "CREATE TYPE pieces",
        "CREATE FUNCTION pieces_in(cstring) RETURNS pieces LANGUAGE internal IMMUTABLE STRICT AS 'int2in'",
        "CREATE FUNCTION pieces_out(pieces) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int2out'",
        'CREATE TYPE pieces (INPUT = pieces_in, OUTPUT = pieces_out, LIKE = name, ELEMENT = "char")',
        "CREATE TYPE plain AS ENUM ('a')",
        "CREATE TABLE rows (all_of_them plain[])",
    )

    (found,) = await asked("C18", pair.source, pair.as_owner(pair.target))

    assert found.result == "failed"
    assert found.what.endswith("type public.later, type public.pieces.")
