"""What a source can hold that speaks against moving it: one database with all of that, and one without any."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.changeovers.checks.fix_grounds import Ground, Pair, asked, connected, results

from changeover.changeovers.checks import Checked, check
from changeover.changeovers.checks.code import unqualified
from changeover.errors.elsewhere import CheckFailed

TROUBLES = (Path(__file__).parent / "troubles.sql").read_text()


@pytest.fixture(scope="module")
def troubled(plain: Ground) -> Checked:
    """The report of a database with every trouble, read by a superuser; the target's owner is none."""
    pair = plain.pair()
    words = {"OWNER": pair.owner, "OTHER": f"{pair.owner}_other", "THIS": pair.source_name}
    script = TROUBLES
    for word, name in words.items():
        script = script.replace(word, name)
    with connected(pair.source) as session:
        for statement in script.split(";\n"):
            session.execute(statement.encode())
    for there in (
        "lc_monetary = 'C.UTF-8'",
        "TimeZone = 'Asia/Tokyo'",
        "work_mem = '6MB'",
        "statement_timeout = '1min'",
    ):
        plain.run(f"ALTER DATABASE {pair.target_name} SET {there}")
    with connected(pair.source) as session:
        session.execute("BEGIN; CREATE TABLE half (a int); PREPARE TRANSACTION 'half done'")
    return asyncio.run(check(pair.source, pair.as_owner(pair.target), sample_s=0))


@pytest.mark.parametrize(
    ("id_", "result", "says"),
    [
        ("S16", "failed", "half done"),
        ("S21", "warning", "MD5 passwords"),
        ("S24", "warning", "Tablespaces are in use"),
        ("C4", "warning", "public.scratch"),
        ("C6", "warning", "public.small_id_seq is at 2147000000, 99 % of 2147483647"),
        ("C10", "warning", "watch_out"),
        ("C10", "warning", "to_the_branch"),
        ("C11", "warning", "orders_customer_fkey of public.orders"),
        ("C13", "warning", "The index public.twice is invalid"),
        ("C13", "warning", "positive of public.orders"),
        ("C14", "warning", "public.never_filled"),
        ("C15", "warning", "with_tax(numeric), used by index public.orders_taxed, refers to rates"),
        ("C18", "failed", "in_c(double precision)"),
        ("C20", "failed", "public.orders.price"),
        ("C23", "warning", "There is a foreign server branch (postgres_fdw) with 1 user mapping"),
        ("C24", "passed", "database: work_mem=5MB"),
        ("C24", "warning", "_other (bypassrls)"),
        ("C24", "warning", "Superusers: "),
        ("C30", "warning", "with quotes or control characters"),
        ("C30", "warning", 'public."Case", public."case"'),
        ("T5", "failed", "doesn't let"),
        ("T11", "warning", "(target Asia/Tokyo)"),
        ("T11", "warning", "statement_timeout 0 (target 60000ms)"),
    ],
)
def test_what_is_wrong_is_found_and_named(troubled: Checked, id_: str, result: str, says: str) -> None:
    found = [one for one in troubled.findings if one.id == id_]

    assert [one.result for one in found if says in one.what] == [result], found
    assert all(one.why for one in found if one.result != "passed")


def test_a_name_with_a_line_break_stays_on_its_line(troubled: Checked) -> None:
    assert not [one for one in troubled.findings if "\n" in one.what + one.why + one.fix]


def test_a_password_of_a_user_mapping_is_never_told(troubled: Checked) -> None:
    assert "open sesame" not in str(troubled.as_dict())


@pytest.mark.parametrize(
    ("body", "bare"),
    [
        ("SELECT * FROM orders", ["orders"]),
        ("SELECT * FROM public.orders", []),
        ("SELECT 'orders' -- orders\n /* orders */", []),
        ('SELECT * FROM "Odd"', ["Odd"]),
        ("select * from ORDERS", ["orders"]),
        ("SELECT orders.id FROM public.orders", ["orders"]),
    ],
)
def test_a_name_without_a_schema_is_told_from_one_with(body: str, bare: list[str]) -> None:
    assert unqualified(body, {"orders", "Odd"}) == bare


async def test_rows_that_row_security_hides_fail_the_check(pair: Pair) -> None:
    pair.here("CREATE TABLE secrets (a int)", "ALTER TABLE secrets ENABLE ROW LEVEL SECURITY",
              f"GRANT SELECT ON secrets TO {pair.owner}")  # fmt: skip

    (hidden,) = await asked("C9", pair.as_owner(pair.source))

    assert (hidden.result, hidden.fix.split(";")[0]) == ("failed", f'ALTER ROLE "{pair.owner}" BYPASSRLS')
    assert results(await asked("C9", pair.source)) == ["passed"]


async def test_what_may_not_be_read_is_named_with_its_grant(pair: Pair) -> None:
    pair.here("CREATE SCHEMA closed", "CREATE TABLE closed.a (a int)", "CREATE TABLE hidden (id serial)")

    told = [one.fix for one in await asked("C31", pair.as_owner(pair.source)) if one.result == "failed"]

    assert told == [
        f'GRANT USAGE ON SCHEMA closed TO "{pair.owner}";',
        f'GRANT SELECT ON ALL TABLES IN SCHEMA closed TO "{pair.owner}";',
        f'GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO "{pair.owner}"; '
        f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{pair.owner}";',
    ]


async def test_large_objects_of_others_fail_the_check(pair: Pair) -> None:
    pair.here(
        "SELECT lo_from_bytea(4711, 'x')",
        "SELECT lo_from_bytea(0, 'y')",
        f"GRANT SELECT ON LARGE OBJECT 4711 TO {pair.owner}",
    )

    (closed,) = await asked("C5", pair.as_owner(pair.source))

    assert (closed.result, closed.what.split(" are not")[0]) == ("failed", "1 of 2 large objects")
    assert (await asked("C5", pair.source))[0].what == "2 large objects, all readable."


@pytest.mark.parametrize(
    ("value", "result"),
    [(rb"\x41", "passed"), (rb"\xc3a4", "warning"), (rb"\xe4", "failed"), (rb"\x41e4c3a4", "failed")],
)
async def test_bytes_of_an_sql_ascii_database_are_sampled(plain: Ground, value: bytes, result: str) -> None:
    """Plain ASCII; UTF-8 as far as was looked; LATIN1; both in one text."""
    pair = plain.pair(options="ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    pair.here(
        "CREATE TABLE texts (a text)", f"INSERT INTO texts VALUES (convert_from('{value.decode()}', 'SQL_ASCII'))"
    )

    (found,) = await asked("C21", pair.source, pair.target)

    assert found.result == result
    assert ("public.texts.a" in found.what) == (result != "passed")


async def test_a_name_that_is_no_text_is_what_the_failure_speaks_of(plain: Ground) -> None:
    pair = plain.pair(options="ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    pair.here("DO $$BEGIN EXECUTE format('CREATE TABLE %I (a int)', 'caf' || chr(233)); END$$")
    with pytest.raises(CheckFailed) as refused:
        await check(pair.source, pair.target, sample_s=0)
    assert "UTF-8" in refused.value.what
    query = refused.value.fix.partition("; ")[2].removesuffix(" lists the objects.")
    with connected(pair.source, client_encoding="LATIN1") as session:
        session.execute("SET client_encoding = 'SQL_ASCII'")
        assert b"pg_class" in [row[0] for row in session.execute(query.encode()).fetchall()]


async def test_a_partition_half_detached_is_told(pair: Pair) -> None:
    pair.here("CREATE TABLE p (a int) PARTITION BY LIST (a)", "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
              "UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'p1'::regclass")  # fmt: skip

    assert results(await asked("C8", pair.source)) == ["warning"]


async def test_an_aggregate_that_newer_versions_refuse_is_found_on_an_old_source(pair: Pair) -> None:
    """The source here is newer; only the question is that of an old one."""
    pair.here("CREATE AGGREGATE public.gather(anycompatible) (SFUNC = array_append, STYPE = anycompatiblearray)")

    assert results(await asked("C19", pair.source, version_num=130000)) == ["failed"]
    assert results(await asked("C19", pair.source)) == ["passed"]


async def test_a_language_of_ones_own_needs_a_superuser_on_the_target(pair: Pair) -> None:
    pair.here("CREATE TRUSTED LANGUAGE mine HANDLER plpgsql_call_handler VALIDATOR plpgsql_validator",
              "CREATE FUNCTION one() RETURNS int LANGUAGE mine AS 'BEGIN RETURN 1; END'")  # fmt: skip

    (lacking,) = await asked("C17", pair.source, pair.as_owner(pair.target))
    by_superuser = await asked("C17", pair.source, pair.target)
    pair.there(lacking.fix.removeprefix("As a superuser of the target: "))
    made = await asked("C17", pair.source, pair.as_owner(pair.target))

    assert (lacking.result, results(by_superuser), results(made)) == ("failed", ["passed"], ["passed"])
    assert lacking.what.startswith("The target has no language mine")
    assert pair.here(lacking.query) == [("one()",)]


async def test_a_large_database_is_warned_of(pair: Pair) -> None:
    (large,) = await asked("C1", pair.source, size_bytes=250 * 10**9)

    assert (large.result, large.what) == ("warning", "The database is large: 250.0 GB.")


async def test_jobs_that_the_database_runs_itself_are_told(pair: Pair) -> None:
    pair.here("CREATE SCHEMA pgagent")

    assert results(await asked("C25", pair.source)) == ["warning"]


async def test_virtual_columns_need_a_target_that_has_them(newer_pair: Pair, pair: Pair) -> None:
    source = newer_pair
    source.here("CREATE TABLE v (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL)")

    found = await asked("C7", source.source, pair.target), await asked("C7", source.source, source.target)

    assert [results(one) for one in found] == [["failed"], ["passed"]]


async def test_collations_in_use_are_named(pair: Pair) -> None:
    pair.here('CREATE TABLE words (a text COLLATE "de-x-icu")')

    (used,) = await asked("C22", pair.source)
    (without_icu,) = await asked("C22", pair.source, offered=[])

    assert used.what == "Collations in use besides the database's own: de-x-icu."
    assert without_icu.result == "failed"


async def test_an_extension_that_nobody_offers_is_named(pair: Pair) -> None:
    pair.here("CREATE EXTENSION hstore")

    found = await asked("C16", pair.source), await asked("C16", pair.source, offered=[])

    assert [results(one) for one in found] == [["passed"], ["failed", "passed"]]
