"""A part of a database is moved: what belongs to the rest goes with it, what needs the rest is refused, and verify knows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.corpus.servers import Server, run_sql
from tests.postgres.snapshot.conftest import Pair

from changeover.errors.elsewhere import CannotExclude
from changeover.postgres.comparing.databases import compare
from changeover.postgres.excluding import Excluded, choose, mentioning
from changeover.postgres.filters import Filters
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach

SHOP = """
CREATE TABLE log (id serial PRIMARY KEY, at int NOT NULL CHECK (at > 0)); CREATE INDEX ON log (at); COMMENT ON TABLE log IS 'c';
CREATE TABLE orders (id int PRIMARY KEY, doubled int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE part (k int) PARTITION BY LIST (k); CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2); CREATE INDEX ON part (k);
INSERT INTO log (at) SELECT generate_series(1, 5); INSERT INTO orders VALUES (1), (2); INSERT INTO part VALUES (1), (2);
CREATE SCHEMA "Odd.Name"; CREATE TABLE "Odd.Name"."T""x" (id bigserial); CREATE TABLE "Odd.Name".other (id int REFERENCES orders);
CREATE MATERIALIZED VIEW "Odd.Name".filled AS SELECT count(*) FROM "Odd.Name".other; CREATE TYPE "Odd.Name".kind AS ENUM ('a');
CREATE SCHEMA hs; CREATE EXTENSION hstore SCHEMA hs; CREATE EXTENSION citext SCHEMA public;
CREATE FUNCTION reads() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM Log); END';
CREATE FUNCTION positive(i int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN i > 0; END';
CREATE TABLE guarded (i int CHECK (positive(i))); INSERT INTO guarded VALUES (1)
"""


def moved(pair: Pair, filters: Filters) -> tuple[set[str], Any]:
    """Names of what holds rows on the target, and the comparison without what was excluded."""
    pair.move(filters=filters)
    found = run_sql(
        pair.target, "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p', 'm', 'S') AND oid >= 16384"
    )
    excluded = Excluded.of(pair.report["excluded"])
    return {name for (name,) in found}, asyncio.run(compare(pair.source, pair.target, excluded=excluded))


def test_excluded_tables_do_not_arrive_nor_what_belongs_to_them(pair: Pair) -> None:
    pair.make(SHOP)
    there, compared = moved(pair, Filters(exclude_tables=("LOG", "part_2", "guarded", '"Odd.Name"."T""x"')))

    assert there >= {"orders", "part", "part_1", "other", "filled"}
    assert not there & {"log", "log_id_seq", "part_2", "guarded", 'T"x', 'T"x_id_seq'}
    assert run_sql(pair.target, "SELECT count(*) FROM part") == [(1,)]
    assert compared.result == "equal", [str(one) for one in compared.differences]
    assert {one["table"] for one in pair.report["per_table"]} == {"orders", "part_1", "other"}
    assert pair.report["excluded"]["mentioned_by"] == ["public.reads()"]
    run_sql(pair.target, "DELETE FROM part")
    excluded = Excluded.of(pair.report["excluded"])
    assert asyncio.run(compare(pair.source, pair.target, excluded=excluded)).result == "differs"
    whole = asyncio.run(compare(pair.source, pair.target))
    assert "table public.log is missing on the target" in [str(one) for one in whole.differences]


def test_an_excluded_partitioned_table_takes_its_partitions_along(pair: Pair) -> None:
    pair.make(SHOP)
    there, compared = moved(pair, Filters(exclude_tables=("part",)))

    assert not there & {"part", "part_1", "part_2"}
    assert compared.result == "equal", [str(one) for one in compared.differences]


@pytest.mark.parametrize(
    "filters", [Filters(exclude_schemas=('"Odd.Name"', "h?")), Filters(only_schemas=("p*",))], ids=["exclude", "only"]
)
def test_excluded_schemas_do_not_arrive_nor_their_extensions(pair: Pair, filters: Filters) -> None:
    pair.make(SHOP)
    there, compared = moved(pair, filters)

    assert there >= {"log", "log_id_seq", "orders", "part", "part_1", "part_2", "guarded"}
    assert run_sql(pair.target, "SELECT nspname FROM pg_namespace WHERE nspname IN ('Odd.Name', 'hs')") == []
    assert run_sql(pair.target, "SELECT extname::text FROM pg_extension WHERE extname <> 'plpgsql'") == [("citext",)]
    assert compared.result == "equal", [str(one) for one in compared.differences]
    assert pair.report["excluded"]["extensions"] == ["hstore"]


def test_schema_public_can_be_left_out(pair: Pair) -> None:
    pair.make("CREATE SCHEMA app; CREATE EXTENSION citext; CREATE TABLE app.t (c citext); CREATE TABLE junk (i int);"
              "INSERT INTO app.t VALUES ('x')")  # fmt: skip
    there, compared = moved(pair, Filters(only_schemas=("app",)))

    assert there == {"t"}
    assert compared.result == "equal", [str(one) for one in compared.differences]


NEEDS = """
CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE fk (b int REFERENCES base); CREATE TABLE child () INHERITS (base);
CREATE VIEW looks AS SELECT id FROM base; CREATE FUNCTION rows() RETURNS SETOF base LANGUAGE sql AS 'SELECT * FROM base';
CREATE FUNCTION atomic() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM base; END;
CREATE SEQUENCE numbers; CREATE TABLE counted (i int DEFAULT nextval('numbers')); CREATE TABLE owner (i int);
ALTER SEQUENCE numbers OWNED BY owner.i;
CREATE SCHEMA lib; CREATE TYPE lib.kind AS ENUM ('a'); CREATE TABLE typed (k lib.kind);
CREATE FUNCTION lib.fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER fires BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION lib.fires();
CREATE SCHEMA hs; CREATE EXTENSION hstore SCHEMA hs; CREATE TABLE stores (h hs.hstore)
"""


@pytest.fixture(scope="module")
def needs(source_server: Server) -> Iterator[Location]:
    made = source_server.database()
    run_sql(made, NEEDS)
    yield made
    source_server.drop(made)


def chosen(source: Location, filters: Filters) -> Excluded:
    async def ask() -> Excluded:
        async with reach(source) as session:
            return await choose(session, filters, ())

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        (Filters(exclude_tables=("base",)), ["constraint fk_b_fkey on table public.fk", "view public.looks", "public.rows()",
                                             "public.atomic()", "table public.child"]),
        (Filters(exclude_tables=("owner",)), ["column i of table public.counted needs sequence public.numbers"]),
        (Filters(exclude_schemas=("lib",)), ["column k of table public.typed needs type lib.kind",
                                             "trigger fires on table public.typed needs function lib.fires()"]),
        (Filters(exclude_schemas=("hs",)), ["column h of table public.stores needs type hs.hstore"]),
        (Filters(exclude_schemas=("*",)), ["exclude every schema"]),
        (Filters(exclude_tables=("bases",)), ["'bases' matches nothing", "public.base,"]),
        (Filters(exclude_tables=("kind.base",)), ["matches nothing", "The source has: public.base."]),
        (Filters(only_schemas=("app",)), ["--only-schema 'app' matches nothing", "hs, lib, public"]),
        (Filters(exclude_schemas=("pg_catalog",)), ["matches nothing"]),
        (Filters(exclude_schemas=("'; DROP TABLE base; --",)), ["matches nothing"]),
    ],
)  # fmt: skip
def test_what_can_not_be_excluded_is_refused_with_the_reason(
    needs: Location, filters: Filters, says: list[str]
) -> None:
    with pytest.raises(CannotExclude) as refused:
        chosen(needs, filters)
    missing = [text for text in says if text not in refused.value.message]
    assert not missing, refused.value.message


def test_what_needs_it_can_be_excluded_with_it(needs: Location) -> None:
    excluded = chosen(needs, Filters(exclude_schemas=("lib", "hs"), exclude_tables=("typed", "stores")))
    assert excluded.tables == (("public", "stores"), ("public", "typed"))
    assert excluded.extensions == ("hstore",)


@pytest.mark.parametrize(
    ("text", "is_named"),
    [("SELECT 1 FROM log", True), ("select FROM PUBLIC.LOG;", True), ('SELECT "log".id', True), ("SELECT catalog", False),
     ("FROM a.kept", True), ("FROM kept", False), ('FROM "odd name"', True), ('"' * 9999, False)],
)  # fmt: skip
def test_a_function_names_an_excluded_table_or_it_does_not(text: str, is_named: bool) -> None:
    gone = [("public", "log"), ("a", "kept"), ("a", "odd name")]
    assert mentioning([("f()", text)], gone, {"kept"}) == (("f()",) if is_named else ())
