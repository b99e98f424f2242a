"""Rows that a CHECK accepted once and refuses today."""

from __future__ import annotations

import pytest
from tests.changeovers.checks.fix_grounds import Pair, asked, results

from changeover.changeovers.checks import conditions

SMALL = "CREATE FUNCTION is_small(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'"
STRICTER = "CREATE OR REPLACE FUNCTION is_small(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 < 10'"
TABLES = {
    "a table": "CREATE TABLE parcels (id int, weight int CHECK (is_small(weight)))",
    "a partitioned table": "CREATE TABLE parcels (id int, weight int CHECK (is_small(weight))) PARTITION BY LIST (id);"
    " CREATE TABLE parcels_rest PARTITION OF parcels DEFAULT",
    "a child": "CREATE TABLE root (id int, weight int CHECK (is_small(weight))); CREATE TABLE parcels () INHERITS (root)",
    "an operator": "CREATE FUNCTION lighter(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT public.is_small($1)';"
    " CREATE OPERATOR <<<< (LEFTARG = int, RIGHTARG = int, FUNCTION = lighter);"
    " CREATE TABLE parcels (id int, weight int CHECK (weight <<<< 1))",
}


@pytest.mark.parametrize("how", TABLES)
async def test_rows_that_a_replaced_function_refuses_fail_the_check(pair: Pair, how: str) -> None:
    pair.here(SMALL, TABLES[how], "INSERT INTO parcels VALUES (1, 4711), (2, 5), (3, NULL)", STRICTER)

    (found,) = await asked("C33", pair.source)

    assert found.result == "failed", found
    assert [row[:2] for row in pair.here(found.query)] == [(1, 4711)]
    assert "4711" not in str(found)


async def test_rows_whose_time_has_passed_fail_the_check(pair: Pair) -> None:
    pair.here("CREATE TABLE offers (ends timestamptz)", "INSERT INTO offers VALUES ('2020-01-01')",
              "ALTER TABLE offers ADD CONSTRAINT open CHECK (ends > now()) NOT VALID",
              "UPDATE pg_constraint SET convalidated = true WHERE conname = 'open'")  # fmt: skip

    (found,) = await asked("C33", pair.source)
    pair.here(found.fix[found.fix.index("ALTER TABLE") :])

    assert found.what.startswith("On the source, rows violate the check constraint open of public.offers")
    assert results(await asked("C33", pair.source)) == ["passed"]


async def test_a_check_that_cannot_change_its_mind_is_not_read(pair: Pair) -> None:
    pair.here("CREATE TABLE plain (a int CHECK (a > 0), b text CHECK (length(b) < 9))")

    (found,) = await asked("C33", pair.source)

    assert found.what.startswith("0 check constraints")


async def test_a_function_of_another_role_is_not_run(pair: Pair) -> None:
    pair.here(SMALL, TABLES["a table"], "INSERT INTO parcels VALUES (1, 4711)",
              "CREATE OR REPLACE FUNCTION is_small(int) RETURNS bool LANGUAGE sql AS 'SELECT 1 / 0 = 1'",
              f"ALTER FUNCTION is_small(int) OWNER TO {pair.owner}")  # fmt: skip

    (found,) = await asked("C33", pair.source)

    assert (found.result, "parcels_weight_check of public.parcels" in found.what) == ("warning", True)


async def test_a_check_that_fails_is_told_without_the_row(pair: Pair) -> None:
    pair.here(SMALL, TABLES["a table"], "INSERT INTO parcels VALUES (1, 4711)",
              "CREATE OR REPLACE FUNCTION is_small(int) RETURNS bool LANGUAGE plpgsql AS "
              "$$BEGIN RAISE 'too heavy: %', $1; END$$")  # fmt: skip

    (found,) = await asked("C33", pair.source)

    assert (found.result, "could not be evaluated (SQLSTATE P0001)" in found.what) == ("warning", True)
    assert "4711" not in str(found)


async def test_checks_that_the_time_does_not_suffice_for_are_said(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "WITHIN_S", 0.5)
    pair.here(SMALL, TABLES["a table"], "INSERT INTO parcels VALUES (1, 4711)",
              "CREATE OR REPLACE FUNCTION is_small(int) RETURNS bool LANGUAGE sql AS 'SELECT pg_sleep(60) IS NULL'")  # fmt: skip

    (found,) = await asked("C33", pair.source)

    assert (found.result, "1 check constraint of 1" in found.what) == ("warning", True)


IN_DOMAINS = {
    "a column": ("CREATE TABLE parcels (id int, value weight)", "4711"),
    "a domain over it": ("CREATE DOMAIN net AS weight; CREATE TABLE parcels (id int, value net)", "4711"),
    "an array": ("CREATE TABLE parcels (id int, value weight[])", "'{1,4711}'"),
}


@pytest.mark.parametrize("how", IN_DOMAINS)
async def test_values_that_a_domain_refuses_today_fail_the_check(pair: Pair, how: str) -> None:
    table, value = IN_DOMAINS[how]
    pair.here(SMALL, "CREATE DOMAIN weight AS int CONSTRAINT small CHECK (is_small(VALUE))", table,
              f"INSERT INTO parcels VALUES (1, {value}), (2, NULL)")  # fmt: skip

    assert results(await asked("C33", pair.source)) == ["passed"]
    pair.here(STRICTER)
    (found,) = await asked("C33", pair.source)

    assert "small of the domain public.weight, in public.parcels.value" in found.what
    assert [value for _, value in pair.here(found.query)] == [4711]
    assert "4711" not in str(found)
    pair.here(*found.fix[found.fix.index("ALTER DOMAIN") :].split(";"))
    assert results(await asked("C33", pair.source)) == ["passed"]


async def test_a_check_that_needs_a_search_path_fails_the_check(pair: Pair) -> None:
    pair.here("CREATE TABLE sizes (a int)", "INSERT INTO sizes VALUES (1)",
              "CREATE FUNCTION is_size(int) RETURNS bool STABLE LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM sizes WHERE a = $1)'",
              "CREATE TABLE shirts (a int CHECK (is_size(a)))", "INSERT INTO shirts VALUES (1)")  # fmt: skip

    (found,) = await asked("C33", pair.source)

    assert (found.result, 'relation "sizes" does not exist' in found.what) == ("failed", True), found
