"""What is built from functions that read settings agrees with what the app's sessions compute."""

from __future__ import annotations

import asyncio

from tests.corpus.servers import run_sql
from tests.postgres.snapshot.conftest import Pair

from changeover.postgres.comparing.databases import compare

SETTINGS = """
ALTER DATABASE THIS SET TimeZone = 'Asia/Tokyo'; ALTER DATABASE THIS SET DateStyle = 'SQL, DMY';
ALTER DATABASE THIS SET default_text_search_config = 'pg_catalog.german'; ALTER DATABASE THIS SET app.region = 'east';
"""
READING = """
SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY'; SET default_text_search_config = 'pg_catalog.german';
SET app.region = 'east';
CREATE FUNCTION day(timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::date::text';
CREATE FUNCTION words(text) RETURNS tsvector LANGUAGE sql IMMUTABLE AS 'SELECT to_tsvector($1)';
CREATE FUNCTION here(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT current_setting(''app.region'') || $1';
CREATE TABLE e (at timestamptz, t text, made text GENERATED ALWAYS AS (day(at)) STORED, CHECK (day(at) = '01/06/2024'));
INSERT INTO e VALUES ('2024-05-31 20:00+00', 'Häuser'); INSERT INTO e SELECT at, 'x' FROM e, generate_series(1, 300);
CREATE INDEX e_day ON e (day(at)); CREATE INDEX e_words ON e USING gin (words(t)); CREATE INDEX e_here ON e (here(1));
CREATE MATERIALIZED VIEW m AS SELECT at::date::text AS day, t FROM e;
"""
BY_INDEX = (
    "SELECT count(*) FROM e WHERE day(at) = '01/06/2024'",
    "SELECT count(*) FROM e WHERE words(t) @@ to_tsquery('haus')",
    "SELECT count(*) FROM e WHERE here(1) = 'east1'",
    "SELECT count(*) FROM m WHERE day = '01/06/2024'",
)


def test_indexes_generated_columns_and_views_are_built_under_the_settings_of_the_database(pair: Pair) -> None:
    pair.make(SETTINGS + READING)
    pair.move()
    for asked in BY_INDEX:
        found = [run_sql(side, "SET enable_seqscan = off", asked) for side in (pair.source, pair.target)]
        assert found[0] == found[1], asked
    assert asyncio.run(compare(pair.source, pair.target)).differences == []
    assert pair.notes == []


def test_a_setting_that_the_target_does_not_know_is_named_and_hinders_nothing(pair: Pair) -> None:
    pair.make("ALTER DATABASE THIS SET TimeZone = 'Asia/Tokyo'; ALTER DATABASE THIS SET lc_time = 'C';"
              "CREATE TABLE t (i int)")  # fmt: skip
    run_sql(pair.source, "UPDATE pg_db_role_setting SET setconfig = '{TimeZone=Middle/Earth,lc_time=C}'"
            " WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())")  # fmt: skip
    pair.move()
    assert len(pair.notes) == 1
    assert "TimeZone = 'Middle/Earth'" in pair.notes[0]
