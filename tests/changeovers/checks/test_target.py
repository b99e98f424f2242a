"""What speaks against a target."""

from __future__ import annotations

import pytest
from tests.changeovers.checks.fix_grounds import Ground, Pair, asked, results

from changeover.changeovers.checks import check, traits_of
from changeover.changeovers.checks.target import as_numbers

LEDGER = (
    "CREATE SCHEMA _changeover",
    "CREATE TABLE _changeover.done (mark text)",
    "INSERT INTO _changeover.done VALUES ('m1')",
)


async def test_an_older_target_fails_the_check(newer: Ground, pair: Pair) -> None:
    (older,) = await asked("T1", newer.at(), pair.target)
    (fine,) = await asked("T1", pair.source, newer.at())

    assert (older.result, fine.result) == ("failed", "passed")
    assert older.fix.startswith(f"Use a target with PostgreSQL {newer.installation.version[0]}")


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("CREATE TABLE a (a int)", "1 table"),
        ("CREATE VIEW v AS SELECT 1 AS one", "1 view"),
        ("CREATE SEQUENCE s", "1 sequence"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "1 function"),
        ("CREATE DOMAIN d AS int", "1 type"),
        ("CREATE SCHEMA mine", "1 schema"),
        ("SELECT lo_create(0)", "1 large object"),
    ],
)
async def test_a_target_with_anything_in_it_fails_the_check(pair: Pair, statement: str, says: str) -> None:
    pair.there(statement)

    (full,) = await asked("T2", pair.source, pair.target)

    assert (full.result, full.what) == ("failed", f"The target is not empty: {says}.")


async def test_an_extension_alone_leaves_a_target_empty(pair: Pair) -> None:
    pair.there("CREATE SCHEMA extensions", "CREATE EXTENSION hstore SCHEMA extensions")

    assert results(await asked("T2", pair.source, pair.target)) == ["passed"]


async def test_what_the_same_migration_left_is_no_obstacle(pair: Pair) -> None:
    pair.there(*LEDGER, "CREATE TABLE brought (a int)")

    found = [results(await asked("T2", pair.source, pair.target, mark=mark)) for mark in ("m1", "m2", None)]

    assert found == [["passed"], ["failed"], ["failed"]]


async def test_a_target_that_is_too_small_fails_the_check(pair: Pair) -> None:
    assert results(await asked("T3", pair.source, pair.target, size_bytes=10**15)) == ["failed"]


async def test_a_disk_that_can_not_be_seen_is_not_taken_for_a_large_one(pair: Pair) -> None:
    """An owner is not told where the data is."""
    assert results(await asked("T3", pair.source, pair.as_owner(pair.target))) == ["warning"]


async def test_rights_are_tried_and_their_grants_named(pair: Pair) -> None:
    guest = f"{pair.owner}_guest"
    pair.there(
        f"CREATE ROLE {guest} LOGIN PASSWORD 'open sesame'", f"GRANT CONNECT ON DATABASE {pair.target_name} TO {guest}"
    )

    told = [one.fix for one in await asked("T4", pair.source, pair.as_role(guest, pair.target))]

    assert told == [
        f'GRANT CREATE ON DATABASE "{pair.target_name}" TO "{guest}";',
        f'GRANT CREATE ON SCHEMA public TO "{guest}";',
    ]


async def test_a_role_that_may_make_roles_has_the_rights(newer_pair: Pair) -> None:
    """Since PostgreSQL 16 it has to let itself act for them."""
    newer_pair.here(f"ALTER ROLE {newer_pair.owner} CREATEROLE")

    assert results(await asked("T4", newer_pair.source, newer_pair.as_owner(newer_pair.target))) == ["passed"]


async def test_an_extension_is_tried_where_it_is_not_installed(pair: Pair) -> None:
    """postgres_fdw is there, but an owner may not create it; hstore he may."""
    pair.here("CREATE EXTENSION postgres_fdw", "CREATE EXTENSION hstore")

    (refused,) = await asked("T5", pair.source, pair.as_owner(pair.target))

    assert (refused.result, refused.why) == (
        "failed",
        'It was tried: permission denied to create extension "postgres_fdw".',
    )
    assert results(await asked("T5", pair.source, pair.target)) == ["passed"]


async def test_an_extension_that_is_lacking_fails_the_check(pair: Pair) -> None:
    pair.here("CREATE EXTENSION hstore", "UPDATE pg_extension SET extname = 'of_ours_alone' WHERE extname = 'hstore'")

    (lacking,) = await asked("T5", pair.source, pair.target)
    checked = await check(pair.source, pair.target, sample_s=0)

    assert (lacking.result, lacking.what) == ("failed", "The target lacks the extension of_ours_alone.")
    assert [one.status for one in checked.extensions] == ["lacking"]


async def test_an_extension_for_looking_only_can_be_left_out(pair: Pair) -> None:
    pair.here("CREATE EXTENSION pg_buffercache")

    checked = await check(pair.source, pair.as_owner(pair.target), sample_s=0)

    assert [one.result for one in checked.findings if one.id == "T5"] == ["warning"]
    assert checked.extensions[0].status == "left out"
    assert traits_of(checked)[0] == ("pg_buffercache",)


async def test_an_older_extension_is_warned_of(pair: Pair) -> None:
    pair.here("CREATE EXTENSION hstore", "UPDATE pg_extension SET extversion = '9.0' WHERE extname = 'hstore'")

    assert results(await asked("T5", pair.source, pair.target)) == ["warning"]


def test_versions_are_compared_by_their_numbers() -> None:
    assert as_numbers("1.9") < as_numbers("1.10") < as_numbers("3.4.0") < as_numbers("3.4.0dev-1") or as_numbers(
        "3.4"
    ) < as_numbers("3.10")


async def test_missing_roles_are_made_where_that_is_allowed(newer_pair: Pair, pair: Pair) -> None:
    there = newer_pair
    pair.here("CREATE TABLE a (a int)", f"ALTER TABLE a OWNER TO {pair.owner}")

    (made,) = await asked("T6", pair.source, there.target)
    (left,) = await asked("T6", pair.source, there.as_owner(there.target))
    checked = await check(pair.source, there.as_owner(there.target), sample_s=0)

    assert (made.result, left.result) == ("passed", "warning")
    assert left.fix.startswith(f'CREATE ROLE "{pair.owner}";')
    assert traits_of(checked)[3] is False


async def test_owners_whom_the_targets_login_can_give_nothing_are_named_with_the_grant(pair: Pair) -> None:
    other = f"{pair.owner}_other"
    pair.here(f"CREATE ROLE {other}", "CREATE TABLE a (a int)", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
              f"ALTER TABLE a OWNER TO {pair.owner}", f"ALTER FUNCTION f() OWNER TO {other}")  # fmt: skip
    target = pair.as_owner(pair.target)

    (found,) = await asked("T6", pair.source, target)
    pair.there(found.fix.split("of the target: ")[1])

    assert (found.result, found.what.split("source: ")[1]) == ("warning", f"{other}.")
    assert results(await asked("T6", pair.source, target)) == ["passed"]
    assert results(await asked("T6", pair.source, pair.target)) == ["passed"]


async def test_a_role_that_a_policy_names_must_be_there(newer_pair: Pair, pair: Pair) -> None:
    there = newer_pair
    pair.here("CREATE TABLE a (a int)", f"ALTER TABLE a OWNER TO {pair.owner}",
              f"CREATE POLICY p ON a TO {pair.owner} USING (true)")  # fmt: skip

    assert results(await asked("T6", pair.source, there.as_owner(there.target))) == ["failed"]


async def test_a_role_that_a_user_mapping_names_must_be_there(newer_pair: Pair, pair: Pair) -> None:
    there = newer_pair
    pair.here("CREATE EXTENSION postgres_fdw", "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw",
              f"CREATE USER MAPPING FOR {pair.owner} SERVER far", "CREATE USER MAPPING FOR PUBLIC SERVER far")  # fmt: skip

    assert results(await asked("T6", pair.source, there.target)) == ["passed"]
    (found,) = await asked("T6", pair.source, there.as_owner(there.target))

    assert found.result == "failed"
    assert found.fix == f'CREATE ROLE "{pair.owner}";'


async def test_encodings_and_collations_are_compared(plain: Ground, pair: Pair) -> None:
    latin = plain.pair(options="ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    pair.here(
        "CREATE COLLATION only_here (provider = icu, locale = 'de')", 'CREATE TABLE a (a text COLLATE "de-x-icu")'
    )
    pair.there("UPDATE pg_collation SET collname = 'gone' WHERE collname = 'de-x-icu'")

    told = [one.what for one in await asked("T7", pair.source, pair.target)]
    pair.there("UPDATE pg_collation SET collname = 'de-x-icu' WHERE collname = 'gone'")

    assert told == ["The target has no collation de-x-icu."]
    assert results(await asked("T7", latin.source, pair.target)) == ["passed", "warning"]
    assert results(await asked("T7", pair.source, latin.source)) == ["failed", "warning"]


async def test_what_is_set_for_the_database_comes_along_and_is_no_difference(pair: Pair) -> None:
    pair.here("CREATE TABLE prices (a money)")
    for setting in ("TimeZone = 'Asia/Tokyo'", "lc_monetary = 'C.UTF-8'"):
        pair.ground.run(f"ALTER DATABASE {pair.source_name} SET {setting}")

    assert results(await asked("T11", pair.source, pair.target)) == ["passed"]
    assert results(await asked("C20", pair.source, pair.target)) == ["passed"]
    assert results(await asked("C20", pair.source)) == ["warning"]


async def test_settings_that_slow_or_endanger_loading_are_named(pair: Pair) -> None:
    run = pair.ground.run
    run("ALTER SYSTEM SET max_wal_size = '256MB'", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()")
    found = await asked("T9", pair.source, pair.target)
    run("ALTER SYSTEM RESET max_wal_size", "ALTER SYSTEM RESET full_page_writes", "SELECT pg_reload_conf()")

    assert results(found) == ["warning", "warning"]


async def test_a_target_with_fewer_connections_is_warned_of(newer: Ground, pair: Pair) -> None:
    """That one takes five fewer."""
    assert results(await asked("T10", pair.source, newer.at())) == ["warning"]
    assert results(await asked("T10", newer.at(), pair.target)) == ["passed"]


async def test_a_target_that_is_read_only_fails_the_check(pair: Pair) -> None:
    pair.ground.run(f"ALTER DATABASE {pair.target_name} SET default_transaction_read_only = on")

    (closed,) = await asked("T12", pair.source, pair.target)

    assert closed.result == "failed"
    assert closed.fix.split("; ")[:2] == [
        "SET default_transaction_read_only = off",
        f'ALTER DATABASE "{pair.target_name}" RESET default_transaction_read_only',
    ]


async def test_a_target_without_an_archive_is_warned_of(newer: Ground, pair: Pair) -> None:
    assert results(await asked("T14", pair.source, pair.target)) == ["passed"]
    assert results(await asked("T14", pair.source, newer.at())) == ["warning"]


async def test_a_target_without_plpgsql_fails_the_check(plain: Ground) -> None:
    pair = plain.pair()
    pair.there("DROP EXTENSION plpgsql")

    (found,) = [one for one in await asked("T5", pair.source, pair.target) if one.result == "failed"]

    assert found.what == "The target lacks the extension plpgsql."
    pair.there(found.fix[found.fix.index("CREATE") :])
    assert results(await asked("T5", pair.source, pair.target)) == ["passed"]
