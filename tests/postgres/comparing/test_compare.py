"""Two databases that were alike: each thing that is changed on one of them is named, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.corpus.loading import load
from tests.corpus.servers import Server, program, programs_of, run_sql, running

from changeover.errors.elsewhere import ConnectionLost
from changeover.postgres.comparing import Comparison, compare, pairs
from changeover.postgres.location import Location
from changeover.postgres.progress import Progress

SHOP = """
CREATE SCHEMA "a ""quoted"" one";
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, mood mood, at timestamptz);
INSERT INTO customers (name, mood, at) SELECT 'customer ' || g, 'glad', '2020-01-01Z'::timestamptz + g * interval '1 h'
  FROM generate_series(1, 3000) g;
CREATE TABLE orders (customer int REFERENCES customers, number int, price numeric, paid interval, about jsonb,
  PRIMARY KEY (customer, number));
INSERT INTO orders SELECT 1 + g % 3000, g / 3000, g / 4.0, g * interval '1 s', jsonb_build_object('g', g)
  FROM generate_series(0, 8999) g;
CREATE INDEX orders_price_idx ON orders (price);
CREATE TABLE "a ""quoted"" one"."lo\ng" ("a key" text COLLATE "C" PRIMARY KEY, v bytea);
INSERT INTO "a ""quoted"" one"."lo\ng" SELECT 'key ' || g, decode(md5(g::text), 'hex') FROM generate_series(1, 100) g;
CREATE TABLE events (what text, at date);
INSERT INTO events SELECT 'event ' || g % 50, '2020-01-01'::date + g % 50 FROM generate_series(1, 1000) g;
CREATE SEQUENCE bare INCREMENT 5; SELECT setval('bare', 100); CREATE SEQUENCE falling INCREMENT -1; SELECT setval('falling', -7);
CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(price) AS total FROM orders GROUP BY 1;
CREATE VIEW glad AS SELECT name FROM customers WHERE mood = 'glad';
SELECT lo_from_bytea(4711, '\\x00ff00'); SELECT lo_from_bytea(4712, '\\x01');
"""


class Databases(NamedTuple):
    source: Location
    target: Location

    async def compare(self, **options: Any) -> Comparison:
        return await compare(self.source, self.target, **options)

    def change(self, *statements: str) -> None:
        """On the target."""
        run_sql(self.target, *statements)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = programs_of(15) or programs_of(17)
    assert programs is not None
    with running(programs) as server:
        yield server


@pytest.fixture(scope="module")
def newer() -> Iterator[Server]:
    programs = programs_of(18)
    assert programs is not None
    with running(programs) as server:
        yield server


@pytest.fixture(scope="module")
def shop(server: Server) -> Location:
    """Never changed: tests change copies of it."""
    location = server.database()
    run_sql(location, SHOP)
    return location


@pytest.fixture
def databases(server: Server, shop: Location) -> Iterator[Databases]:
    copy = f"copy_of_{shop.database}"
    run_sql(server.location(), f"CREATE DATABASE {copy} TEMPLATE {shop.database}")
    both = Databases(shop, server.location(copy))
    yield both
    server.drop(both.target)


def only_difference(found: Comparison) -> str:
    assert [str(one) for one in found.unknown] == []
    assert len(found.differences) == 1, [str(one) for one in found.differences]
    return str(found.differences[0])


async def test_a_copy_is_equal_in_every_part(databases: Databases) -> None:
    found = await databases.compare()

    assert found.is_equal, found.as_dict()
    assert {part.name: part.compared for part in found.parts} == {
        "schema": 16, "tables": 5, "sequences": 3, "large objects": 2, "extensions": 1, "database": 1,
    }  # fmt: skip
    assert found.rows_compared == 3000 + 9000 + 100 + 1000 + 3000


async def test_a_restored_dump_is_equal_on_a_newer_major(databases: Databases, server: Server, newer: Server) -> None:
    databases.change("CREATE PUBLICATION told FOR TABLE orders, events", "CREATE PUBLICATION everything FOR ALL TABLES")
    source, target = databases.target, newer.database()
    script = program("pg_dump", location=source, major=server.major)
    program("psql", "-qX", "-v", "ON_ERROR_STOP=1", location=target, major=newer.major, stdin=script)

    found = await compare(source, target)

    assert found.is_equal, found.as_dict()


async def test_virtual_columns_are_not_computed(newer: Server) -> None:
    both = Databases(newer.database(), newer.database())
    made = "CREATE TABLE t (id int PRIMARY KEY, part int GENERATED ALWAYS AS (1 / id) VIRTUAL, x int); INSERT INTO t VALUES "
    run_sql(both.source, made + "(0, DEFAULT, 1), (1, DEFAULT, 1)")
    run_sql(both.target, made + "(0, DEFAULT, 2), (1, DEFAULT, 1)")

    found = await both.compare(shows_values=True)

    assert "columns: x" in only_difference(found)


async def test_a_deleted_row_is_named_by_its_key(databases: Databases) -> None:
    databases.change("DELETE FROM orders WHERE (customer, number) = (1234, 2)")

    found = only_difference(await databases.compare())

    assert "table public.orders has 9000 rows on the source and 8999 on the target" in found
    assert "a row is missing on the target" in found
    assert "first range: customer, number from " in found
    assert "first row: customer 1234, number 2" in found


async def test_a_row_too_many_is_named(databases: Databases) -> None:
    databases.change("INSERT INTO orders VALUES (17, 99, 1)")

    assert "a row is missing on the source; first range: customer, number from" in only_difference(
        await databases.compare()
    )


CHANGED_ROWS = {
    "one byte": ("UPDATE customers SET name = 'customer 8Z8' WHERE id = 828", "id 828; columns: name"),
    "a trailing zero": ("UPDATE orders SET price = round(price, 30) WHERE (customer, number) = (9, 1)", "price"),
    "an hour for 60 minutes": ("UPDATE orders SET paid = '1 day' WHERE (customer, number) = (1, 0)", "columns: paid"),
    "a number inside a document": (
        """UPDATE orders SET about = '{"g": 0.0}' WHERE (customer, number) = (1, 0)""",
        "about",
    ),
    "nothing for something": ("UPDATE customers SET mood = NULL WHERE id = 3000", "id 3000; columns: mood"),
    "an enum's label": ("UPDATE customers SET mood = 'sad' WHERE id = 1", "id 1; columns: mood"),
}


@pytest.mark.parametrize("change", CHANGED_ROWS)
async def test_a_changed_row_is_named_with_its_columns(databases: Databases, change: str) -> None:
    statement, named = CHANGED_ROWS[change]
    databases.change(statement)

    found = only_difference(await databases.compare())

    assert "a row is different" in found
    assert named in found


async def test_two_rows_that_exchanged_a_value_are_seen(databases: Databases) -> None:
    """The sum of the rows' plain hashes would be the same."""
    databases.change("UPDATE customers SET name = 'customer ' || 12 - id WHERE id IN (5, 7)")

    assert "first row: id 5; columns: name" in only_difference(await databases.compare())


async def test_values_are_shown_only_when_asked_for(databases: Databases) -> None:
    databases.change("UPDATE customers SET name = 'secret' WHERE id = 5")

    quiet, asked = await databases.compare(), await databases.compare(shows_values=True)

    assert "secret" not in str(quiet.as_dict())
    assert asked.differences[0].values == {"name": ("customer 5", "secret")}


async def test_without_a_key_a_row_is_named_by_its_place(databases: Databases) -> None:
    databases.change("DELETE FROM events WHERE ctid = (SELECT ctid FROM events WHERE what = 'event 7' LIMIT 1)")

    found = only_difference(await databases.compare())

    assert "a row without a key occurs 20 times on the source and 19 times on the target" in found
    assert "first row: ctid on the source (" in found


async def test_without_a_key_rows_that_exchanged_a_value_are_seen(databases: Databases) -> None:
    databases.change(
        "UPDATE events SET at = '2020-01-01'::date + (83 - (at - '2020-01-01')) WHERE what IN ('event 41', 'event 42')"
    )

    assert "table public.events" in only_difference(await databases.compare())


THINGS = {
    "index": ("DROP INDEX orders_price_idx", "index public.orders_price_idx is missing on the target"),
    "sequence": ("SELECT setval('bare', 95)", "sequence public.bare gives 105 next on the source and 100 on the target"),
    "falling sequence": ("SELECT setval('falling', -6)", "sequence public.falling gives -8 next on the source"),
    "never called": ("SELECT setval('bare', 100, false)", "gives 105 next on the source and 100 on the target"),
    "large object": ("SELECT lo_put(4711, 1, '\\x01')", "large object 4711 has different content"),
    "large object gone": ("SELECT lo_unlink(4712)", "large object 4712 is missing on the target"),
    "view": ("CREATE OR REPLACE VIEW glad AS SELECT name FROM customers", "view public.glad is defined differently"),
    "default": ("ALTER TABLE events ALTER at SET DEFAULT now()", "table public.events is defined differently: `at date`"),
    "trigger": ("ALTER TABLE orders DISABLE TRIGGER ALL",
                "triggers of fk constraint public.orders orders_customer_fkey are enabled on the source and disabled"),
    "foreign key": ("ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey", "fk constraint public.orders orders_customer"),
}  # fmt: skip


@pytest.mark.parametrize("thing", THINGS)
async def test_a_changed_thing_is_named(databases: Databases, thing: str) -> None:
    statement, named = THINGS[thing]
    databases.change(statement)

    assert named in only_difference(await databases.compare())


async def test_a_sequence_that_is_ahead_is_equal_and_noted(databases: Databases) -> None:
    databases.change("SELECT setval('bare', 250), setval('falling', -40)")

    found = await databases.compare()

    assert found.is_equal
    assert len(next(part for part in found.parts if part.name == "sequences").notes) == 2


@pytest.mark.parametrize(
    ("statement", "note"),
    [
        ("REFRESH MATERIALIZED VIEW totals WITH NO DATA", "totals is not filled on the target"),
        (
            "REFRESH MATERIALIZED VIEW stale",
            "stale was filled at another time: it has 1 rows on both sides, but not the same",
        ),
    ],
)
async def test_a_materialized_view_that_was_filled_at_another_time_is_noted(
    server: Server, shop: Location, statement: str, note: str
) -> None:
    source, target = (server.location(f"{shop.database}_{side}") for side in ("one", "two"))
    run_sql(server.location(), f"CREATE DATABASE {source.database} TEMPLATE {shop.database}")
    run_sql(source, "CREATE MATERIALIZED VIEW stale AS SELECT now() AS at, count(*) AS n FROM orders")
    run_sql(server.location(), f"CREATE DATABASE {target.database} TEMPLATE {source.database}")
    run_sql(target, statement)

    found = await compare(source, target)
    quick = await compare(source, target, is_quick=True)

    assert found.is_equal, found.as_dict()
    assert quick.is_equal, quick.as_dict()
    assert [one for one in found.parts[1].notes if note in one]
    server.drop(source, target)


async def test_a_table_that_is_missing_is_named_in_schema_and_rows(databases: Databases) -> None:
    databases.change("DROP TABLE events")

    found = await databases.compare()

    assert [str(one) for one in found.differences] == ["table public.events is missing on the target"] * 2


@pytest.mark.parametrize("name", ["_heroku", "_changeover"])
async def test_a_reserved_schema_is_compared_by_its_exact_name_on_neither_side(databases: Databases, name: str) -> None:
    def furnish(schema: str) -> None:
        databases.change(
            f'CREATE SCHEMA "{schema}"',
            f'GRANT USAGE ON SCHEMA "{schema}" TO PUBLIC',
            f'CREATE TABLE "{schema}".canary (id serial PRIMARY KEY)',
            f"CREATE FUNCTION \"{schema}\".reset() RETURNS void LANGUAGE sql AS ''",
            f'REVOKE ALL ON FUNCTION "{schema}".reset() FROM PUBLIC',
            f'ALTER DEFAULT PRIVILEGES IN SCHEMA "{schema}" GRANT SELECT ON TABLES TO PUBLIC',
        )

    furnish(name)
    found = await databases.compare(compares_owners=True)
    assert found.is_equal, found.as_dict()
    back = await compare(databases.target, databases.source, compares_owners=True)
    assert back.is_equal, back.as_dict()

    furnish(f"{name} x")
    things = {one.thing for one in (await databases.compare(compares_owners=True)).differences}
    assert {f"schema {name} x", f"function {name} x.reset()", f"table {name} x.canary"} <= things
    assert {f"acl {name} x.FUNCTION reset()", f"sequence {name} x.canary_id_seq"} <= things


async def test_columns_in_another_order_are_told_and_their_rows_equal(databases: Databases) -> None:
    databases.change(
        "ALTER TABLE events RENAME TO old", "CREATE TABLE events (at date, what text)",
        "INSERT INTO events SELECT at, what FROM old", "DROP TABLE old",
    )  # fmt: skip

    assert only_difference(await databases.compare()) == "table public.events has its columns in a different order"


async def test_rows_that_a_policy_hides_are_unknown_and_never_equal(databases: Databases, server: Server) -> None:
    databases.change(
        "CREATE ROLE reader LOGIN PASSWORD 'reader'", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
        "ALTER TABLE events ENABLE ROW LEVEL SECURITY", "CREATE POLICY later ON events USING (at > '2020-01-05')",
    )  # fmt: skip
    try:
        found = await compare(databases.target, databases.target.with_(user="reader", password="reader"))
    finally:
        databases.change("DROP OWNED BY reader", "DROP ROLE reader")

    assert not found.is_equal
    hidden = next(one for one in found.unknown if one.thing == "table public.events")
    assert "row-level security on the target hides rows from reader" in hidden.why


async def test_a_quick_look_counts(databases: Databases) -> None:
    databases.change("UPDATE customers SET name = 'other'", "DELETE FROM events WHERE what = 'event 1'")

    found = await databases.compare(is_quick=True)

    assert only_difference(found) == "table public.events has 1000 rows on the source and 980 on the target"
    assert found.parts[1].how == "counts"


async def test_a_side_that_is_lost_in_between_is_an_error_and_no_answer(databases: Databases) -> None:
    async def end_the_target(progress: Progress) -> None:
        run_sql(
            databases.target.with_(dbname="postgres"),
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{databases.target.database}'",
        )

    with pytest.raises(ConnectionLost) as lost:
        await databases.compare(tell=end_the_target)

    assert databases.target.database in lost.value.what
    assert databases.target.database not in open_sessions(databases.source)


def open_sessions(location: Location) -> list[str]:
    """Databases in which a comparison still has a session."""
    asked = "SELECT datname FROM pg_stat_activity WHERE application_name = 'changeover verify'"
    return [name for (name,) in run_sql(location.with_(dbname="postgres"), asked)]


async def test_what_has_no_schema_reader_is_unknown(databases: Databases, newer: Server) -> None:
    """A role that may read one table only: the rest is unknown, with what the server said."""
    databases.change("CREATE ROLE narrow LOGIN PASSWORD 'narrow'", "GRANT SELECT ON events TO narrow")
    try:
        found = await compare(databases.source, databases.target.with_(user="narrow", password="narrow"))
    finally:
        databases.change("DROP OWNED BY narrow", "DROP ROLE narrow")

    assert found.result == "unknown"
    unknown = {one.thing for one in found.unknown}
    assert unknown >= {"schema", "table public.orders", "sequence public.bare", "large objects"}
    assert "table public.events" not in unknown


async def test_another_encoding_is_compared_by_its_letters(server: Server, newer: Server) -> None:
    """LATIN1 and UTF-8 have other bytes for the same words."""
    source, target = server.database(encoding="LATIN1"), newer.database()
    load(source, "encoding_latin1")
    script = program("pg_dump", "--encoding=UTF8", location=source, major=server.major)
    program("psql", "-qX", location=target, major=newer.major, stdin=script)

    equal = await compare(source, target)
    run_sql(target, "UPDATE letters SET t = 'Ü letter' WHERE id = 228")
    changed = await compare(source, target)

    assert equal.is_equal, equal.as_dict()
    assert equal.parts[1].how == "digests of text"
    assert "first row: id 228; columns: t" in only_difference(changed)


async def test_bytes_without_an_encoding_are_compared_as_they_are(server: Server, newer: Server) -> None:
    """SQL_ASCII holds what is no text in any encoding."""
    source, target = server.database(encoding="SQL_ASCII"), newer.database(encoding="SQL_ASCII")
    for database in (source, target):
        load(database, "encoding_sql_ascii")

    equal = await compare(source, target)
    run_sql(target, r"UPDATE mixed SET t = E'latin \xe5' WHERE id = 3", "DELETE FROM mixed_key WHERE n = 1")
    changed = await compare(source, target)

    assert equal.is_equal, equal.as_dict()
    assert [one.thing for one in changed.differences] == ["table public.mixed", "table public.mixed_key"]
    assert changed.differences[0].columns == ("t",)


async def test_tables_of_many_pieces_add_up(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of ctid, as tables of gigabytes are read, give what one reading gives."""
    monkeypatch.setattr(pairs, "PIECE_BYTES", 16384)
    databases.change("UPDATE orders SET paid = paid WHERE number = 1", "VACUUM orders")

    assert (await databases.compare()).is_equal


async def test_two_databases_with_nothing_in_them_are_equal(server: Server, newer: Server) -> None:
    found = await compare(server.database(), newer.database())

    assert found.is_equal, found.as_dict()
    assert found.gb_per_s == 0
