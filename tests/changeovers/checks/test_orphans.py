"""Rows without a parent under foreign keys that are marked as valid."""

from __future__ import annotations

import pytest
from tests.changeovers.checks.fix_grounds import Pair, asked, connected, results

from changeover.changeovers.checks import orphans
from changeover.changeovers.methods.snapshot.planning import in_a_line

PARENT = "CREATE TABLE shelves (room int, number int, PRIMARY KEY (room, number)); INSERT INTO shelves VALUES (1, 1)"
BROKEN = {
    "a plain key": "CREATE TABLE books (id int, room int, shelf int, FOREIGN KEY (room, shelf) REFERENCES shelves)",
    "a deferrable key": "CREATE TABLE books (id int, room int, shelf int, FOREIGN KEY (room, shelf) REFERENCES shelves"
    " DEFERRABLE INITIALLY DEFERRED)",
    "a partitioned table": "CREATE TABLE books (id int, room int, shelf int, FOREIGN KEY (room, shelf) REFERENCES shelves)"
    " PARTITION BY LIST (room); CREATE TABLE books_2 PARTITION OF books FOR VALUES IN (2);"
    " CREATE TABLE books_rest PARTITION OF books DEFAULT",
    "a partitioned parent": "DROP TABLE shelves; CREATE TABLE shelves (room int, number int, PRIMARY KEY (room, number))"
    " PARTITION BY LIST (room); CREATE TABLE shelves_1 PARTITION OF shelves DEFAULT; INSERT INTO shelves VALUES (1, 1);"
    " CREATE TABLE books (id int, room int, shelf int, FOREIGN KEY (room, shelf) REFERENCES shelves)",
    "a parent whose child has the row": "CREATE TABLE annex () INHERITS (shelves); INSERT INTO annex VALUES (2, 7);"
    " CREATE TABLE books (id int, room int, shelf int, FOREIGN KEY (room, shelf) REFERENCES shelves)",
}


def unchecked(pair: Pair, *statements: str) -> None:
    with connected(pair.source) as session:
        for statement in ("SET session_replication_role = replica", *statements):
            session.execute(statement.encode())


@pytest.mark.parametrize("how", BROKEN)
async def test_rows_without_a_parent_fail_the_check(pair: Pair, how: str) -> None:
    pair.here(PARENT, BROKEN[how])
    unchecked(pair, "INSERT INTO books VALUES (815, 1, 1), (816, 2, 7), (817, NULL, 7)")

    (found,) = await asked("C32", pair.source)

    assert found.result == "failed", found
    assert found.what.startswith("On the source, rows violate the foreign key books_")
    assert "public.shelves" in found.why
    assert [row[0] for row in pair.here(found.query)] == [816]
    assert "816" not in str(found)


async def test_the_statement_that_is_proposed_keeps_the_rows_and_satisfies_the_check(pair: Pair) -> None:
    pair.here(PARENT, BROKEN["a plain key"])
    unchecked(pair, "INSERT INTO books VALUES (816, 2, 7)")

    (found,) = await asked("C32", pair.source)
    pair.here(found.fix[found.fix.index("ALTER TABLE") :])

    assert results(await asked("C32", pair.source)) == ["passed"]
    assert pair.here("SELECT count(*) FROM books") == [(1,)]


async def test_a_migration_that_is_refused_shows_the_query(pair: Pair) -> None:
    pair.here(PARENT, BROKEN["a plain key"])
    unchecked(pair, "INSERT INTO books VALUES (816, 2, 7)")

    (found,) = await asked("C32", pair.source)

    assert in_a_line(found) == f"C32: {found.what} To list them: {found.query} {found.fix}"


async def test_a_key_that_must_match_in_full_is_broken_by_a_half_empty_one(pair: Pair) -> None:
    pair.here(
        PARENT,
        "CREATE TABLE books (id int, room int, shelf int, FOREIGN KEY (room, shelf) REFERENCES shelves MATCH FULL)",
    )
    unchecked(pair, "INSERT INTO books VALUES (1, 1, NULL), (2, NULL, NULL)")

    (found,) = await asked("C32", pair.source)

    assert [row[0] for row in pair.here(found.query)] == [1]


async def test_a_key_that_is_not_valid_is_no_concern_of_the_target(pair: Pair) -> None:
    pair.here(
        PARENT, "CREATE TABLE books (id int, room int, shelf int)", "INSERT INTO books VALUES (816, 2, 7)",
        "ALTER TABLE books ADD FOREIGN KEY (room, shelf) REFERENCES shelves NOT VALID",
    )  # fmt: skip

    assert results(await asked("C32", pair.source)) == ["passed"]


async def test_odd_names_and_types_are_compared_as_postgresql_does(pair: Pair) -> None:
    """A key across types, in a table whose names need quotes."""
    pair.here('CREATE SCHEMA "My ""Shop"', 'CREATE TABLE "My ""Shop"."A%b" ("Id%s" bigint PRIMARY KEY)',
              'CREATE TABLE "My ""Shop"."c\'d" ("To" smallint REFERENCES "My ""Shop"."A%b")',
              'INSERT INTO "My ""Shop"."A%b" VALUES (5)', 'INSERT INTO "My ""Shop"."c\'d" VALUES (5)')  # fmt: skip

    assert results(await asked("C32", pair.source)) == ["passed"]

    unchecked(pair, 'INSERT INTO "My ""Shop"."c\'d" VALUES (6)')
    (found,) = await asked("C32", pair.source)
    assert (found.result, pair.here(found.query)) == ("failed", [(6,)])


async def test_what_the_time_does_not_suffice_for_is_said(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "WITHIN_S", 0)
    pair.here(PARENT, BROKEN["a plain key"])

    (found,) = await asked("C32", pair.source)

    assert (found.result, "1 foreign key of 1" in found.what, pair.here(found.query)) == ("warning", True, [])


async def test_what_is_locked_or_may_not_be_read_is_said(pair: Pair) -> None:
    pair.here(PARENT, BROKEN["a plain key"])

    (closed,) = await asked("C32", pair.as_owner(pair.source))
    with connected(pair.source) as session, session.transaction():
        session.execute("LOCK TABLE books")
        (locked,) = await asked("C32", pair.source)

    assert (closed.result, locked.result) == ("warning", "warning")


async def test_among_many_keys_each_broken_one_and_each_slow_one_is_told(pair: Pair) -> None:
    """More keys than one query probes, one of them of a table that is locked."""
    pair.here(
        "CREATE TABLE shelves (id int PRIMARY KEY)",
        "DO $$BEGIN FOR i IN 1..60 LOOP"
        " EXECUTE format('CREATE TABLE books_%s (id int REFERENCES shelves)', i); END LOOP; END$$",
    )
    unchecked(pair, "INSERT INTO books_7 VALUES (1)", "INSERT INTO books_59 VALUES (1)")

    with connected(pair.source) as session, session.transaction():
        session.execute("LOCK TABLE books_8")
        found = await asked("C32", pair.source)

    broken = sorted(one.what.split("public.")[1].split(",")[0] for one in found if one.result == "failed")
    (left,) = [one.what for one in found if one.result == "warning"]
    assert broken == ["books_59", "books_7"]
    assert left.endswith("1 foreign key of 60: books_8_id_fkey of public.books_8.")
