"""Schema public is on the target before the copy, often with an owner and rights of its own."""

from __future__ import annotations

import asyncio

import pytest
from tests.corpus.servers import run_sql
from tests.postgres.snapshot.conftest import Pair

from changeover.changeovers.verification.named import unnamed
from changeover.postgres.comparing.databases import compare

OWNED = "ALTER SCHEMA public OWNER TO pair_app"
OPEN = "GRANT CREATE ON SCHEMA public TO PUBLIC"
SAYS_OWNED = "Schema public belongs to pg_database_owner on the source and to pair_app on the target."
SAYS_OPEN = "Schema public has these rights only on the target: CREATE to PUBLIC."
SAYS_USED = "Schema public has these rights only on the source: USAGE to PUBLIC."


@pytest.mark.parametrize(
    ("here", "there", "says"),
    [
        ("SELECT 1", OWNED, SAYS_OWNED),
        ("SELECT 1", OPEN, SAYS_OPEN),
        ("SELECT 1", "REVOKE USAGE ON SCHEMA public FROM PUBLIC", SAYS_USED),
        (OWNED, "SELECT 1", ""),
        (f"{OWNED}; {OPEN}", "COMMENT ON SCHEMA public IS 'x'", ""),
    ],
)
def test_what_only_the_targets_public_has_is_named_and_stays(pair: Pair, here: str, there: str, says: str) -> None:
    for server in pair.servers:
        run_sql(server.location(), "CREATE ROLE pair_app")
    pair.make(f"{here}; CREATE TABLE t (id int PRIMARY KEY); GRANT SELECT ON t TO pair_app")
    pair.on_target(there)
    before = run_sql(
        pair.target, "SELECT nspowner::regrole::text, nspacl::text FROM pg_namespace WHERE nspname = 'public'"
    )

    pair.move()

    found = asyncio.run(compare(pair.source, pair.target, properties_decide=False))
    assert unnamed(found, pair.report["not_brought"]) == []
    assert pair.notes == ([f"{says} The target's stays as it is."] if says else [])
    if says:
        assert {one.thing for one in found.differences} <= {"schema public", "acl SCHEMA public"}
        after = run_sql(
            pair.target, "SELECT nspowner::regrole::text, nspacl::text FROM pg_namespace WHERE nspname = 'public'"
        )
        assert after == before


def test_without_owners_the_owner_of_public_is_no_difference(pair: Pair) -> None:
    run_sql(pair.servers[1].location(), "CREATE ROLE pair_app")
    pair.on_target(f"{OWNED}; {OPEN}")

    found = asyncio.run(compare(pair.source, pair.target, compares_owners=False))

    assert found.differences == []


def test_another_owner_of_public_is_a_difference_in_words(pair: Pair) -> None:
    for server in pair.servers:
        run_sql(server.location(), "CREATE ROLE pair_app")
    pair.on_target(OWNED)

    found = asyncio.run(compare(pair.source, pair.target, compares_owners=True))

    assert [str(one) for one in found.differences] == [
        "schema public belongs to pg_database_owner on the source and to pair_app on the target"
    ]


@pytest.mark.parametrize(
    ("here", "there", "thing"),
    [
        ("CREATE SCHEMA app; DROP SCHEMA public", "SELECT 1", "schema public"),
        ("CREATE SCHEMA app", "GRANT SELECT ON pg_catalog.pg_authid TO pair_app", "acl pg_catalog.TABLE pg_authid"),
        (
            "CREATE SCHEMA app",
            "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep FROM PUBLIC",
            "acl pg_catalog.FUNCTION pg_sleep(double precision)",
        ),
    ],
)
def test_what_the_target_had_before_is_a_note_after_a_migration(pair: Pair, here: str, there: str, thing: str) -> None:
    """`verify` alone still calls it a difference: nothing says then which side came first."""
    run_sql(pair.servers[1].location(), "CREATE ROLE pair_app")
    pair.make(f"{here}; CREATE TABLE app.t (id int PRIMARY KEY)")
    pair.on_target(there)
    pair.move()

    after = asyncio.run(compare(pair.source, pair.target, compares_owners=True, properties_decide=False))
    alone = asyncio.run(compare(pair.source, pair.target, compares_owners=True))

    (difference,) = [one for one in alone.differences if one.thing == thing]
    assert thing not in [one.thing for one in after.differences]
    assert str(difference) in [note for part in after.parts for note in part.notes]
