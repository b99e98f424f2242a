"""Rows whose partition is not the same in every database arrive, in whatever partition, and are compared as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.corpus.servers import Server, run_sql
from tests.postgres.snapshot.conftest import Pair

from changeover.errors.elsewhere import CannotExclude
from changeover.postgres.comparing import compare
from changeover.postgres.comparing.comparison import Comparison
from changeover.postgres.excluding import choose
from changeover.postgres.filters import Filters
from changeover.postgres.reaching import reach

LABELS = [f"hue {number}" for number in range(40)]
HUES = f"""
CREATE TYPE hue AS ENUM ({", ".join(f"'{label}'" for label in LABELS)});
CREATE FUNCTION nth(int) RETURNS hue LANGUAGE sql IMMUTABLE AS 'SELECT (enum_range(NULL::public.hue))[1 + $1 % 40]';
CREATE TABLE kinds (hue hue PRIMARY KEY); INSERT INTO kinds SELECT nth(g) FROM generate_series(1, 40) g;
CREATE TABLE rides (id int, hue hue REFERENCES kinds, size int GENERATED ALWAYS AS (id * 2) STORED, pad text,
  PRIMARY KEY (hue, id)) PARTITION BY LIST (id);
CREATE TABLE late PARTITION OF rides DEFAULT PARTITION BY HASH (hue);
CREATE TABLE late_0 PARTITION OF late FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE late_1 (pad text, hue hue NOT NULL, id int NOT NULL, size int GENERATED ALWAYS AS (id * 2) STORED);
ALTER TABLE late ATTACH PARTITION late_1 FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE late_2 PARTITION OF late FOR VALUES WITH (MODULUS 3, REMAINDER 2) PARTITION BY HASH (id);
CREATE TABLE late_2_0 PARTITION OF late_2 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE first PARTITION OF rides FOR VALUES IN (1);
INSERT INTO rides (id, hue, pad) SELECT g, nth(g), repeat('x', 500) FROM generate_series(1, 4000) g;
CREATE INDEX ON rides (pad, id);
CREATE TABLE sets (hues hue[], id int) PARTITION BY HASH (hues);
CREATE TABLE sets_0 PARTITION OF sets FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE sets_1 PARTITION OF sets FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO sets SELECT ARRAY[nth(g)], g FROM generate_series(1, 100) g;
"""


def compared(pair: Pair) -> Comparison:
    return asyncio.run(compare(pair.source, pair.target))


def test_rows_hashed_by_an_enum_arrive_through_the_partitioned_table(pair: Pair) -> None:
    pair.make(HUES)
    pair.move(connections=3, range_bytes=256 * 1024)
    for rows in (
        "SELECT hue::text, id, size, pad FROM rides ORDER BY id",
        "SELECT hues::text, id FROM sets ORDER BY id",
    ):
        assert run_sql(pair.source, rows) == run_sql(pair.target, rows)
    where = "SELECT tableoid::regclass::text, id FROM late ORDER BY id"
    assert run_sql(pair.source, where) != run_sql(pair.target, where)
    assert run_sql(pair.target, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
    assert [note for note in pair.notes if "different partitions" in note] == [
        'Rows of "public"."late" may be in different partitions than on the source.',
        'Rows of "public"."sets" may be in different partitions than on the source.',
    ]

    found = compared(pair)
    assert found.is_equal, found.differences
    assert "table public.late was compared as a whole: its rows may be in different partitions" in found.parts[1].notes


def test_a_difference_in_such_a_table_is_found_with_its_row(pair: Pair) -> None:
    pair.make(HUES)
    pair.move()
    pair.on_target("UPDATE rides SET pad = 'y' WHERE id = 1234; DELETE FROM sets WHERE id = 7")
    late, sets = compared(pair).differences
    assert late.thing == "table public.late"
    assert late.key == {"hue": "hue 34", "id": "1234"}
    assert late.columns == ("pad",)
    assert sets.says.startswith("has 100 rows on the source and 99 on the target")


def test_a_partition_can_not_be_excluded_when_the_rows_of_others_may_belong_to_it(pair: Pair) -> None:
    pair.make(HUES)

    async def chosen(*tables: str) -> None:
        async with reach(pair.source) as session:
            await choose(session, Filters(exclude_tables=tables), ())

    asyncio.run(chosen("first", "sets"))
    with pytest.raises(CannotExclude) as refused:
        asyncio.run(chosen("late_2_0"))
    assert "public.late needs its partition public.late_2_0" in refused.value.message


@pytest.fixture
def latin_pair(source_server: Server, target_server: Server) -> Iterator[Pair]:
    source, target = source_server.database(encoding="LATIN1"), target_server.database()
    yield Pair((source_server, target_server), source, target)
    source_server.drop(source)
    target_server.drop(target)


def test_rows_hashed_by_text_arrive_in_a_database_of_another_encoding(latin_pair: Pair) -> None:
    latin_pair.make("""
    CREATE TABLE words (word text, n int) PARTITION BY HASH (word);
    CREATE TABLE words_0 PARTITION OF words FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE words_1 PARTITION OF words FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO words SELECT chr(192 + g), g FROM generate_series(0, 63) g
    """)
    latin_pair.move()
    assert run_sql(latin_pair.target, 'SELECT count(*), min(word COLLATE "C"), sum(ascii(word)) FROM words') == [
        (64, "À", sum(range(192, 256)))
    ]
    assert compared(latin_pair).is_equal
