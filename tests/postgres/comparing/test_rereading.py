"""Definitions that PostgreSQL prints differently after a dump and restore are alike; those with another meaning are not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.corpus.moving import by_dump
from tests.corpus.servers import Server, programs_of, run_sql, running

from changeover.postgres.comparing import Comparison, compare
from changeover.postgres.location import Location

REPRINTED = """
CREATE TYPE grade AS ENUM ('a', 'b');
CREATE DOMAIN color AS varchar(9) CHECK (VALUE IN ('red', 'green'));
CREATE TABLE t (id int PRIMARY KEY, s varchar(10) CHECK (s IN ('new', 'paid')), c char(3), g grade, a varchar[],
  is_new boolean GENERATED ALWAYS AS (s IN ('new', 'old')) STORED, d text DEFAULT ('x'::varchar || 'y'::char(3)),
  n boolean DEFAULT ('q'::varchar IN ('q', 'r')), EXCLUDE USING btree (id WITH =) WHERE (s IN ('x', 'y')));
INSERT INTO t (id, s) VALUES (1, 'new');
ALTER TABLE t ADD CONSTRAINT late CHECK (s NOT IN ('late', 'later')) NOT VALID;
CREATE INDEX part ON t (id) WHERE s IN ('new', 'old');
CREATE INDEX computed ON t ((s IN ('new', 'old')), (c IN ('a', 'b')));
CREATE STATISTICS stat ON (s IN ('new', 'old')), id FROM t;
CREATE VIEW v AS SELECT id, CASE WHEN s IN ('new', 'old') THEN 1 END AS k FROM t WHERE c NOT IN ('a', 'b');
CREATE VIEW checked AS SELECT * FROM t WHERE s IN ('new', 'old') WITH CHECK OPTION;
CREATE MATERIALIZED VIEW m AS SELECT count(*) FILTER (WHERE s IN ('new', 'old')) FROM t;
CREATE POLICY p ON t TO PUBLIC USING (s IN ('new', 'old')) WITH CHECK (s = ANY ('{new,old}'::varchar[]));
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.s IN ('new', 'old')) EXECUTE FUNCTION note();
CREATE CONSTRAINT TRIGGER ct AFTER INSERT ON t FOR EACH ROW WHEN (NEW.s IN ('new', 'old')) EXECUTE FUNCTION note();
CREATE RULE r AS ON DELETE TO t WHERE OLD.s IN ('new', 'old') DO INSTEAD UPDATE t SET s = 'old' WHERE s IN ('new', 'x');
CREATE FUNCTION is_new(s varchar) RETURNS boolean LANGUAGE sql BEGIN ATOMIC SELECT s IN ('new', 'old'); END;
CREATE TABLE parted (s varchar(10), i int) PARTITION BY LIST ((s IN ('new', 'old')));
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (true);
"""
CHANGES = {
    "a check": "ALTER TABLE t DROP CONSTRAINT t_s_check, ADD CONSTRAINT t_s_check CHECK (s IN ('new', 'gone'))",
    "a partial index": "DROP INDEX part; CREATE INDEX part ON t (id) WHERE s IN ('new', 'gone')",
    "an expression in an index":
        "DROP INDEX computed; CREATE INDEX computed ON t ((s IN ('new', 'gone')), (c IN ('a', 'b')))",
    "a view": "CREATE OR REPLACE VIEW v AS SELECT id, CASE WHEN s IN ('new', 'old') THEN 2 END AS k FROM t"
        " WHERE c NOT IN ('a', 'b')",
    "a policy": "ALTER POLICY p ON t USING (s IN ('new', 'gone'))",
    "a trigger's condition": "CREATE OR REPLACE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.s IN ('new', 'gone'))"
        " EXECUTE FUNCTION note()",
    "a rule": "CREATE OR REPLACE RULE r AS ON DELETE TO t WHERE OLD.s IN ('new', 'old') DO INSTEAD NOTHING",
    "a default": "ALTER TABLE t ALTER n SET DEFAULT ('q'::varchar IN ('q', 'gone'))",
    "a domain": "ALTER DOMAIN color DROP CONSTRAINT color_check; ALTER DOMAIN color ADD CHECK (VALUE IN ('red', 'gone'))",
    "a function": "CREATE OR REPLACE FUNCTION is_new(s varchar) RETURNS boolean LANGUAGE sql"
        " BEGIN ATOMIC SELECT s IN ('new', 'gone'); END",
    "statistics": "DROP STATISTICS stat; CREATE STATISTICS stat ON (s IN ('new', 'gone')), id FROM t",
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = programs_of(15)
    assert programs is not None
    with running(programs) as server:
        yield server


@pytest.fixture(scope="module")
def source(server: Server) -> Location:
    location = server.database()
    run_sql(location, REPRINTED)
    return location


@pytest.fixture(scope="module")
def restored(server: Server, source: Location) -> Location:
    location = server.database()
    by_dump(source, location, major=15)
    return location


def named(found: Comparison) -> list[str]:
    return [str(one) for one in (*found.differences, *found.unknown)]


async def test_what_a_restore_prints_differently_is_the_same(source: Location, restored: Location) -> None:
    found = await compare(source, restored)

    assert named(found) == []


async def test_each_definition_that_means_something_else_is_named(
    server: Server, source: Location, restored: Location
) -> None:
    changed = server.location(f"changed_{restored.database}")
    run_sql(server.location(), f"CREATE DATABASE {changed.database} TEMPLATE {restored.database}")
    run_sql(changed, *CHANGES.values())

    found = await compare(source, changed)

    assert found.unknown == []
    assert {one.thing for one in found.differences} == {
        "domain public.color", "function public.is_new(character varying)", "index public.computed", "index public.part",
        "policy public.t p", "rule public.t r", "statistics public.stat", "table public.t", "trigger public.t tr",
        "view public.v",
    }  # fmt: skip
    assert "gone" in next(one.says for one in found.differences if one.thing == "policy public.t p")
