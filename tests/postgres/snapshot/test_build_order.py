"""What calls functions that read other tables is made when these tables have their rows."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from tests.corpus.servers import run_sql
from tests.postgres.snapshot.conftest import SAME, Copy, Pair

from changeover.changeovers.verification.named import unnamed
from changeover.postgres.comparing.databases import compare

LOOK_UP = """
CREATE TABLE a_big (id int PRIMARY KEY, word text, pad text);
CREATE TABLE z_words (word text PRIMARY KEY, number int);
INSERT INTO z_words SELECT 'word ' || g, g FROM generate_series(1, 20) g;
INSERT INTO a_big SELECT g, 'word ' || 1 + g % 20, repeat('x', 200) FROM generate_series(1, 3000) g;
CREATE FUNCTION is_word(text) RETURNS bool LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM public.z_words WHERE word = $1)';
CREATE FUNCTION number_of(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT number FROM public.z_words WHERE word = $1';
"""
CHECKS = (
    LOOK_UP
    + """
ALTER TABLE a_big ADD CONSTRAINT known CHECK (is_word(word)), ADD CONSTRAINT plain CHECK (id > 0),
                  ADD CONSTRAINT now_or_before CHECK (now() > '2020-01-01'), ADD CONSTRAINT later CHECK (is_word(word)) NOT VALID;
COMMENT ON CONSTRAINT known ON a_big IS 'it''s known';
CREATE DOMAIN a_word AS text CONSTRAINT "known word" CHECK (is_word(VALUE));
COMMENT ON CONSTRAINT "known word" ON DOMAIN a_word IS 'x';
CREATE TABLE a_of_domain (w a_word); INSERT INTO a_of_domain VALUES ('word 1');
CREATE DOMAIN an_element AS text CHECK (VALUE <> '' AND is_word('word 1') IS NOT NULL);
CREATE TABLE a_of_elements (w an_element[]);
CREATE TABLE a_parent (w text, CONSTRAINT c CHECK (is_word(w)), CONSTRAINT alone CHECK (is_word(w)) NO INHERIT);
CREATE TABLE a_child () INHERITS (a_parent); CREATE TABLE a_local (CONSTRAINT c CHECK (is_word(w))) INHERITS (a_child);
INSERT INTO a_parent VALUES ('word 2'); INSERT INTO a_child VALUES ('word 3'); INSERT INTO a_local VALUES ('word 4');
CREATE TABLE a_parts (w text, n int, CONSTRAINT c CHECK (is_word(w))) PARTITION BY LIST (n);
CREATE TABLE a_part PARTITION OF a_parts FOR VALUES IN (1); INSERT INTO a_parts VALUES ('word 5', 1);
"""
)


def test_checks_come_after_the_rows_of_all_tables(pair: Pair) -> None:
    pair.make(CHECKS)
    pair.move()
    assert pair.differs() == SAME
    assert pair.notes == []
    inherited = (
        "SELECT conrelid::regclass::text, conname::text, conislocal, coninhcount FROM pg_constraint WHERE contype = 'c'"
    )
    assert sorted(run_sql(pair.source, inherited)) == sorted(run_sql(pair.target, inherited))


INSIDE = (
    LOOK_UP
    + """
CREATE DOMAIN a_word AS text CHECK (is_word(VALUE)); CREATE DOMAIN a_long_word AS a_word CHECK (length(VALUE) > 1);
CREATE TYPE a_pair AS (w a_long_word, n int); CREATE TYPE pairs AS (p a_pair[], q int);
CREATE TYPE words AS RANGE (SUBTYPE = a_word);
CREATE TABLE a_plain (w a_word PRIMARY KEY, pad text); CREATE TABLE a_array (w a_long_word[]);
CREATE TABLE a_composite (p a_pair); CREATE TABLE a_nested (p pairs); CREATE TABLE a_range (r words);
INSERT INTO a_plain SELECT 'word 1', repeat('x', 99); INSERT INTO a_array VALUES ('{word 2,word 3}');
INSERT INTO a_composite VALUES (ROW('word 4', 1)); INSERT INTO a_nested VALUES (ROW(ARRAY[ROW('word 5', 1)::a_pair], 1));
INSERT INTO a_range VALUES ('[word 1,word 9)');
"""
)


def test_rows_that_a_domain_checks_as_they_arrive_come_after_the_rows_of_all_others(pair: Pair) -> None:
    """PostgreSQL adds no CHECK to a domain that a table has inside an array, a composite or a range."""
    pair.make(INSIDE)
    pair.move()
    assert pair.differs() == SAME
    assert pair.notes == []


KEYS = """
CREATE TABLE z_rates (currency text PRIMARY KEY, rate int); INSERT INTO z_rates VALUES ('a', 1), ('b', 2);
CREATE FUNCTION rate_of(text) RETURNS int LANGUAGE sql IMMUTABLE
    BEGIN ATOMIC SELECT rate FROM z_rates WHERE currency = $1 GROUP BY currency; END;
CREATE FUNCTION twice_rate_of(text) RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT 2 * rate_of($1); END;
COMMENT ON FUNCTION rate_of IS 'a rate'; REVOKE ALL ON FUNCTION rate_of FROM PUBLIC;
CREATE TABLE a_orders (id int, currency text DEFAULT 'b', rate int DEFAULT twice_rate_of('a'));
INSERT INTO a_orders (id) VALUES (1); CREATE INDEX a_by_rate ON a_orders (twice_rate_of(currency));
"""


def test_a_key_that_a_functions_body_needs_is_made_before_the_tables_that_call_it(pair: Pair) -> None:
    pair.make(KEYS)
    pair.move()
    assert pair.differs() == SAME


INDEXES = (
    LOOK_UP
    + """
CREATE INDEX by_number ON a_big (number_of(word)); CREATE INDEX part ON a_big (id) WHERE number_of(word) > 10;
COMMENT ON INDEX part IS 'some';
ALTER TABLE a_big ADD CONSTRAINT none_twice EXCLUDE USING btree (id WITH =, number_of(word) WITH =);
COMMENT ON CONSTRAINT none_twice ON a_big IS 'none';
CREATE TABLE a_parts (w text, n int) PARTITION BY LIST (n); CREATE TABLE a_part PARTITION OF a_parts FOR VALUES IN (1);
INSERT INTO a_parts SELECT word, 1 FROM a_big; CREATE INDEX of_parts ON a_parts (number_of(w));
"""
)


def test_an_index_finds_what_a_scan_finds(pair: Pair) -> None:
    pair.make(INDEXES)
    pair.move()
    assert pair.differs() == SAME
    found = ["SELECT count(*) FROM a_big WHERE number_of(word) = 3", "SELECT count(*) FROM a_parts WHERE number_of(w) = 3",
             "SELECT count(*) FROM a_big WHERE number_of(word) > 10 AND id > 0"]  # fmt: skip
    counts = [
        run_sql(pair.target, "SET enable_seqscan = off", "SET enable_bitmapscan = off", one)[0][0] for one in found
    ]
    assert counts == [150, 150, 1500]


GENERATED = (
    LOOK_UP
    + """
SET check_function_bodies = off;
CREATE FUNCTION twice_of(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT twice FROM public.b_made WHERE id = $1';
CREATE FUNCTION sum_of(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT sum FROM public.a_made WHERE id = $1';
CREATE TABLE a_made (id int PRIMARY KEY, word text, sum int GENERATED ALWAYS AS (number_of(word)) STORED);
CREATE TABLE b_made (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (2 * sum_of(id)) STORED);
CREATE TABLE a_last (id int PRIMARY KEY, four int UNIQUE GENERATED ALWAYS AS (2 * twice_of(id)) STORED, p point
    GENERATED ALWAYS AS (point(twice_of(id), 0)) STORED);
INSERT INTO a_made SELECT g, 'word ' || g FROM generate_series(1, 9) g;
INSERT INTO b_made SELECT g FROM generate_series(1, 9) g; INSERT INTO a_last SELECT g FROM generate_series(1, 9) g;
"""
)


def test_generated_columns_are_computed_until_they_rest(pair: Pair) -> None:
    pair.make(GENERATED)
    pair.move()
    assert pair.differs() == SAME
    made = "SELECT id, four, p::text FROM a_last ORDER BY id"
    assert (
        run_sql(pair.target, made) == run_sql(pair.source, made) == [(g, 4 * g, f"({2 * g},0)") for g in range(1, 10)]
    )


def test_a_generated_column_that_nothing_computes_again_is_named(pair: Pair) -> None:
    made = "CREATE FUNCTION {0}() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT {1}'; CREATE TABLE {0}_t (id int, n int"
    made += " GENERATED ALWAYS AS ({0}()) STORED); INSERT INTO {0}_t VALUES (1);"
    pair.make(
        "SET check_function_bodies = off;"
        + made.format("counts", "count(*)::int FROM public.counts_t")
        + made.format("same", "5")
    )
    run_sql(pair.source, "INSERT INTO counts_t VALUES (2)")
    pair.move()
    assert run_sql(pair.source, "SELECT n FROM counts_t ORDER BY id") == [(0,), (1,)]
    (note,) = pair.notes
    assert note.startswith('Generated column "public"."counts_t"."n" has other values than its expression gives now.')


VIEWS = (
    LOOK_UP
    + """
CREATE MATERIALIZED VIEW z_base AS SELECT count(*) AS n FROM a_big;
CREATE FUNCTION base() RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN (SELECT n FROM public.z_base); END';
CREATE MATERIALIZED VIEW m_middle AS SELECT base() AS n;
CREATE FUNCTION middle() RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN (SELECT n FROM public.m_middle); END';
CREATE VIEW a_view AS SELECT middle() AS n; CREATE MATERIALIZED VIEW a_through AS SELECT count(*) AS n FROM a_view;
CREATE MATERIALIZED VIEW a_top AS SELECT middle() AS n;
CREATE UNIQUE INDEX of_top ON a_top ((n + middle()));
CREATE FUNCTION forgiving() RETURNS bigint LANGUAGE plpgsql AS
    'BEGIN RETURN (SELECT n FROM public.z_base); EXCEPTION WHEN OTHERS THEN RETURN 0; END';
CREATE MATERIALIZED VIEW a_forgiving AS SELECT forgiving() AS n;
CREATE INDEX by_base ON a_big ((id + base())); COMMENT ON INDEX by_base IS 'late';
ALTER TABLE a_big ADD CONSTRAINT below CHECK (id <= base());
"""
)


def test_what_reads_filled_views_comes_after_these_in_as_many_rounds_as_it_takes(pair: Pair) -> None:
    pair.make(VIEWS)
    pair.move()
    assert pair.differs() == SAME
    assert pair.notes == []
    seen = "SELECT t.n, m.n, f.n FROM a_top t, m_middle m, a_forgiving f"
    assert run_sql(pair.target, seen) == [(3000, 3000, 3000)]
    assert run_sql(pair.target, "SET enable_seqscan = off", "SELECT count(*) FROM a_big WHERE id + base() = 3007") == [
        (1,)
    ]


def test_a_view_that_reads_one_that_is_not_filled_is_named(pair: Pair) -> None:
    pair.make(VIEWS + "REFRESH MATERIALIZED VIEW z_base WITH NO DATA; DROP INDEX of_top;"
              "CREATE TABLE a_parts (n int) PARTITION BY LIST (n); CREATE TABLE a_part PARTITION OF a_parts FOR VALUES IN (1);"
              "INSERT INTO a_parts VALUES (1);"
              "CREATE OR REPLACE FUNCTION base() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1';"
              "CREATE INDEX of_parts ON a_parts ((n + base())); CREATE OR REPLACE FUNCTION base() RETURNS bigint LANGUAGE plpgsql"
              " IMMUTABLE AS 'BEGIN RETURN (SELECT n FROM public.z_base); END'")  # fmt: skip
    pair.move()
    assert "REFRESH MATERIALIZED VIEW public.a_top;" in pair.differs()[0]
    assert pair.differs()[1] == []
    assert sorted(note.partition(". ")[0].partition(" could")[0] for note in pair.notes) == [
        'Materialized view "public"."a_top"',
        'Materialized view "public"."m_middle"',
        'Not copied: CHECK "below" of TABLE "public"."a_big"',
        "Not copied: INDEX ATTACH public.a_part_expr_idx",
        "Not copied: INDEX public.a_part_expr_idx",
        "Not copied: INDEX public.by_base",
        "Not copied: INDEX public.of_parts",
    ]
    found = asyncio.run(compare(pair.source, pair.target))
    of_check = [one.thing for one in unnamed(found, pair.report["not_brought"])]
    assert of_check == ["table public.a_big"]


PARTITIONS = (
    LOOK_UP
    + """
CREATE FUNCTION place_of(text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.number_of($1); END';
CREATE TABLE a_parts (word text) PARTITION BY LIST (place_of(word));
CREATE TABLE a_one PARTITION OF a_parts FOR VALUES IN (1, 2, 3); CREATE TABLE a_rest PARTITION OF a_parts DEFAULT;
INSERT INTO a_parts SELECT word FROM z_words; CREATE INDEX of_parts ON a_parts (word);
"""
)


def test_partitions_that_a_function_finds_are_attached_with_their_rows(pair: Pair) -> None:
    pair.make(PARTITIONS)
    pair.move()
    assert pair.differs() == SAME
    assert run_sql(pair.target, "SELECT count(*) FROM a_one") == [(3,)]


BROKEN = """
CREATE FUNCTION ok(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE TABLE "t t" (id int CONSTRAINT "o k" CHECK (ok(id))); INSERT INTO "t t" VALUES (7), (1);
CREATE OR REPLACE FUNCTION ok(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 < 5';
"""


def test_rows_that_break_a_check_of_the_source_are_named_with_the_way_out(copy: Copy) -> None:
    run_sql(copy.source, BROKEN)
    copy.order(is_held=True)
    outcome = copy.run()
    assert outcome is not None
    assert outcome.error is not None
    assert outcome.error.what.startswith('CHECK "o k" of TABLE "public"."t t"')
    advice = outcome.error.fix
    query = advice[advice.index("SELECT") : advice.index("; lists them")]
    assert run_sql(copy.source, query) == [(7,)]
    for statement in advice[advice.index("ALTER") :].split("; ")[:2]:
        run_sql(copy.source, statement)
    copy.report()
    assert run_sql(copy.target, 'SELECT count(*) FROM "t t"') == [(2,)]
    with pytest.raises(psycopg.errors.CheckViolation):
        run_sql(copy.target, 'INSERT INTO "t t" VALUES (9)')


def test_a_view_that_reads_itself_is_left_out_and_named(pair: Pair) -> None:
    pair.make("CREATE VIEW v AS SELECT 1 AS a; CREATE OR REPLACE VIEW v AS SELECT a FROM v; COMMENT ON VIEW v IS 'mine';"
              "CREATE VIEW w AS SELECT 1 AS a; CREATE OR REPLACE VIEW w AS SELECT 1 AS a FROM w;"
              "CREATE VIEW over AS SELECT a FROM v; GRANT SELECT ON v TO reader; CREATE TABLE t (id int PRIMARY KEY);"
              "CREATE VIEW fine AS SELECT id FROM t; COMMENT ON VIEW fine IS 'x'")  # fmt: skip
    pair.move()
    there = run_sql(
        pair.target, "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    assert there == [("fine",), ("t",), ("t_pkey",)]
    assert sorted(note.split(". ")[0] for note in pair.notes) == [
        f"Not copied: VIEW public.{name}" for name in ("over", "v", "w")
    ]
