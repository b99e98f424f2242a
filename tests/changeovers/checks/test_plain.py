"""A plain source and an empty target: all is well, nothing is changed, nothing secret is told."""

from __future__ import annotations

import json

from tests.changeovers.checks.fix_grounds import Ground, Pair

from changeover.changeovers.checks import CHECKS, check, traits_of
from changeover.changeovers.checks.asking import opened
from changeover.postgres.progress import Progress

TABLES = """
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id bigserial PRIMARY KEY, customer bigint REFERENCES customers, placed_at timestamptz DEFAULT now());
CREATE INDEX ON orders (placed_at);
CREATE VIEW recent AS SELECT * FROM orders WHERE placed_at > now() - interval '1 day';
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE span AS RANGE (subtype = float8);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE AGGREGATE total (numeric) (SFUNC = numeric_add, STYPE = numeric);
CREATE FUNCTION is_new(at timestamptz) RETURNS bool LANGUAGE sql AS 'SELECT at > now()';
CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE parts_2026 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE MATERIALIZED VIEW names AS SELECT name FROM customers;
INSERT INTO customers (name) SELECT 'customer ' || n FROM generate_series(1, 1000) n;
"""
EVERYTHING = """
SELECT classid, objid, objsubid, refclassid, refobjid FROM pg_depend WHERE objid >= 16384
UNION ALL SELECT 0, oid, 0, 0, 0 FROM pg_roles UNION ALL SELECT 1, oid, 0, 0, 0 FROM pg_namespace
ORDER BY 1, 2, 3, 4, 5"""


async def test_every_check_passes_on_a_plain_source_and_an_empty_target(pair: Pair) -> None:
    pair.here(TABLES)

    checked = await check(pair.source, pair.target, sample_s=0)

    assert [one for one in checked.findings if one.result != "passed"] == []
    assert {one.id for one in checked.findings} == set(CHECKS)
    assert (checked.verdict, checked.counts["passed"]) == ("ready", len(CHECKS))


async def test_the_owner_of_both_databases_may_check_them(pair: Pair) -> None:
    """What takes a superuser to see is said, and is no obstacle."""
    pair.here(f"SET ROLE {pair.owner}", TABLES)

    checked = await check(pair.as_owner(pair.source), pair.as_owner(pair.target), sample_s=0)

    assert [one.id for one in checked.findings if one.result != "passed"] == ["S21", "T3"]
    assert checked.verdict == "ready"


async def test_checking_changes_neither_side(pair: Pair) -> None:
    """The target's rights are tried in a transaction that is rolled back."""
    pair.here(TABLES, "CREATE EXTENSION hstore")
    before = pair.here(EVERYTHING), pair.there(EVERYTHING)

    await check(pair.source, pair.target, sample_s=0)

    assert (pair.here(EVERYTHING), pair.there(EVERYTHING)) == before


async def test_its_sessions_can_not_write(pair: Pair) -> None:
    async with opened(pair.source, pair.target) as look:
        shown = [await side.rows("SELECT current_setting('transaction_read_only')") for side in look.sides]

    assert shown == [[("on",)], [("on",)]]


async def test_a_report_has_the_facts_of_a_source(plain: Ground, pair: Pair) -> None:
    pair.here(TABLES, "CREATE EXTENSION hstore")

    checked = await check(pair.as_owner(pair.source), sample_s=0)

    assert checked.source is not None
    assert checked.source.version_num // 10_000 == plain.installation.version[0]
    assert (checked.source.provider.name, checked.source.user) == ("on-premise", pair.owner)
    assert [(one.name, one.status) for one in checked.extensions] == [("hstore", "available")]
    assert checked.size is not None
    assert {table.name for table in checked.size.biggest} == {
        "public.customers",
        "public.orders",
        "public.names",
        "public.parts_2026",
    }
    assert checked.size.bytes > checked.size.table_bytes > 50_000
    assert checked.forecast is not None
    assert checked.forecast.downtime_s > 1
    settings = {setting.name: setting for setting in checked.settings}
    assert (settings["max_connections"].source, settings["max_connections"].target) == ("40", None)
    assert traits_of(checked)[:2] == ((), ())


async def test_a_report_is_json_without_any_secret(pair: Pair) -> None:
    pair.ground.run("ALTER SYSTEM SET primary_conninfo = 'host=x password=''open sesame'''", "SELECT pg_reload_conf()")

    checked = await check(pair.as_owner(pair.source), pair.target, sample_s=0)
    text = json.dumps(checked.as_dict())

    assert "open sesame" not in text
    assert "open" not in repr(pair.as_owner(pair.source))


async def test_one_hears_what_is_being_checked(pair: Pair) -> None:
    heard: list[Progress] = []

    async def tell(progress: Progress) -> None:
        heard.append(progress)

    await check(pair.source, sample_s=0, tell=tell)

    assert {one.says for one in heard} == {one.title for one in CHECKS.values() if one.about != "target"}
