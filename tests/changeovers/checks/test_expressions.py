"""Indexes and generated columns that can't be made where there is no search path."""

from __future__ import annotations

import pytest
from tests.changeovers.checks.fix_grounds import Pair, asked, results

from changeover.changeovers.checks import expressions

ROUND = "CREATE FUNCTION rounded(int) RETURNS int LANGUAGE {} IMMUTABLE AS '{}'"
NEEDS = {
    "an index": "CREATE INDEX by_step ON walks (rounded(steps))",
    "a predicate": "CREATE INDEX by_step ON walks (steps) WHERE rounded(steps) > 1",
    "a unique constraint's index": "CREATE UNIQUE INDEX by_step ON walks (id, (rounded(steps) + 1))",
    "a generated column": "ALTER TABLE walks ADD by_step int GENERATED ALWAYS AS (rounded(steps)) STORED",
}


@pytest.mark.parametrize("what", NEEDS)
async def test_a_function_that_finds_its_table_by_the_search_path_fails_the_check(pair: Pair, what: str) -> None:
    pair.here("CREATE FUNCTION step() RETURNS int LANGUAGE sql AS 'SELECT 100'", "CREATE TABLE walks (id int, steps int)",
              "INSERT INTO walks VALUES (1, 4711)",
              ROUND.format("plpgsql", "BEGIN RETURN $1 / step(); END"), NEEDS[what])  # fmt: skip

    (found,) = await asked("C38", pair.source)

    assert found.result == "failed", found
    assert "by_step can't be computed without a search path: function step() does not exist" in found.what
    assert "4711" not in str(found)
    pair.here(found.fix[found.fix.index("ALTER FUNCTION") :].split(";")[0])
    assert results(await asked("C38", pair.source)) == ["passed"]


async def test_an_extension_s_function_is_named_with_the_index_to_drop(pair: Pair) -> None:
    offered = pair.here(
        "SELECT 1 FROM pg_available_extension_versions WHERE name = 'earthdistance' AND version = '1.1'"
    )
    pair.here("CREATE EXTENSION cube", "CREATE TABLE places (x float8, y float8)")
    if offered:
        pair.here("CREATE EXTENSION earthdistance VERSION '1.1'", "CREATE INDEX near ON places USING gist (ll_to_earth(x, y))",
                  "CREATE FUNCTION half(float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2'",
                  "CREATE INDEX innocent ON places (half(x))", "INSERT INTO places VALUES (1, 2)")  # fmt: skip

    found = await asked("C38", pair.source)
    pair.here("DROP EXTENSION cube CASCADE")

    assert results(found) == ["failed" if offered else "passed"]
    assert not offered or "DROP INDEX public.near; and create it on the target" in found[0].fix


async def test_what_can_be_computed_passes_whatever_its_rows_do(pair: Pair) -> None:
    """A value that a function refuses today is not this check's, and a function of another role is not run."""
    pair.here("CREATE TABLE walks (id int, steps int)", ROUND.format("sql", "SELECT 1"), "INSERT INTO walks VALUES (1, 0)",
              "CREATE INDEX a ON walks (rounded(steps))", "CREATE INDEX b ON walks ((steps + 1)) WHERE id > 0",
              ROUND.replace("CREATE", "CREATE OR REPLACE").format("sql", "SELECT 1 / $1"))  # fmt: skip
    assert results(await asked("C38", pair.source)) == ["passed"]

    pair.here(ROUND.replace("CREATE", "CREATE OR REPLACE").format("plpgsql", "BEGIN RETURN nowhere(); END"),
              f"ALTER FUNCTION rounded(int) OWNER TO {pair.owner}")  # fmt: skip
    assert results(await asked("C38", pair.source)) == ["passed"]


async def test_expressions_that_there_was_no_time_for_are_said(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "WITHIN_S", 0)
    pair.here(
        "CREATE TABLE walks (id int, steps int)",
        ROUND.format("sql", "SELECT 1"),
        "CREATE INDEX a ON walks (rounded(steps))",
    )

    (found,) = await asked("C38", pair.source)

    assert (found.result, "index public.a" in found.what) == ("warning", True)
