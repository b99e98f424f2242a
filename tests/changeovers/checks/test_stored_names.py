"""Rows that hold functions, operators and roles are copied by name."""

from __future__ import annotations

from tests.changeovers.checks.fix_grounds import Pair, asked, results

MADE = (
    "CREATE FUNCTION one(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION many(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION many(text) RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "CREATE OPERATOR ==== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
)
UNIQUE = """
INSERT INTO jobs VALUES (1, 'one(int)'::regprocedure, 'public.===='),
    (2, 0, 0), (3, 4000000000, 4000000000), (4, NULL, NULL)"""


async def test_names_that_mean_one_object_pass(pair: Pair) -> None:
    pair.here(*MADE, "CREATE TABLE jobs (id int, f regproc, o regoper, r regrole)", UNIQUE)

    assert results(await asked("C39", pair.source, pair.target)) == ["passed"]


async def test_a_name_that_means_several_functions_fails_the_check_and_the_statement_helps(pair: Pair) -> None:
    pair.here(*MADE, "CREATE TABLE jobs (id int, f regproc, o regoper)", UNIQUE)
    pair.here("INSERT INTO jobs VALUES (7, 'many(int)'::regprocedure, '+(int,int)'::regoperator)")

    found = await asked("C39", pair.source, pair.target)

    assert results(found) == ["failed", "failed"]
    for one in found:
        assert [row[0] for row in pair.here(one.query)] == [7], one
        pair.here(one.fix[one.fix.index("ALTER TABLE") :])
    assert results(await asked("C39", pair.source, pair.target)) == ["passed"]
    assert pair.here("SELECT f::text, o::text FROM jobs WHERE id = 7") == [("many(integer)", "+(integer,integer)")]


async def test_a_role_that_does_not_come_along_fails_the_check(pair: Pair, newer_pair: Pair) -> None:
    pair.here(
        "CREATE ROLE stays",
        "CREATE ROLE moves",
        "CREATE TABLE moved (a int)",
        "ALTER TABLE moved OWNER TO moves",
        "CREATE TABLE jobs (id int, r regrole)",
        "INSERT INTO jobs VALUES (1, 'moves'), (2, 'pg_monitor'), (3, 0)",
    )
    assert results(await asked("C39", pair.source, newer_pair.target)) == ["passed"]

    pair.here("INSERT INTO jobs VALUES (4, 'stays')")
    (found,) = await asked("C39", pair.source, newer_pair.target)

    assert (found.result, "jobs.r contain roles" in found.what) == ("failed", True), found
    assert pair.here(found.query) == [(4, "stays")]
    assert results(await asked("C39", pair.source, pair.target)) == ["passed"]
