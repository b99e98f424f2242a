"""An abort leaves both sides as they were, whatever state the copy was in and whichever side is gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.corpus.servers import Server, run_sql
from tests.postgres.snapshot.conftest import ROLES, Copy, Pair, dump, sessions, wait_until

POINTS = ('rows "public"."orders"', "phase done")
MORE_POINTS = ("phase roles", "phase keys", "phase rights")


@pytest.mark.parametrize("point", [*POINTS, *(pytest.param(point, marks=pytest.mark.long) for point in MORE_POINTS)])
def test_what_was_made_goes_and_what_was_there_stays(copy: Copy, point: str) -> None:
    run_sql(copy.target, "CREATE SCHEMA _heroku", "CREATE FUNCTION _heroku.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE EXTENSION hstore", "GRANT CREATE ON SCHEMA public TO pg_monitor")  # fmt: skip
    before = dump(copy.target)
    copy.harm(point)
    assert copy.run() is None
    assert copy.clean() == []
    assert dump(copy.target) == before
    assert run_sql(copy.target, "SELECT FROM pg_roles WHERE rolname = ANY(ARRAY['owner of it', 'reader'])") == []
    assert run_sql(copy.target, "SELECT FROM pg_db_role_setting") == []
    wait_until(lambda: sessions(copy.source) == sessions(copy.target) == [])
    assert copy.clean() == []


BUILT_IN = (
    "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) FROM PUBLIC", "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
    "GRANT SELECT ON pg_catalog.pg_authid TO reader WITH GRANT OPTION", "GRANT SELECT (relname) ON pg_catalog.pg_class TO reader",
    "REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC", "REVOKE USAGE ON TYPE pg_catalog.money FROM PUBLIC",
    "REVOKE EXECUTE ON FUNCTION hstore(text, text) FROM PUBLIC", "REVOKE USAGE ON SCHEMA information_schema FROM PUBLIC",
)  # fmt: skip


def test_rights_on_what_every_database_has_are_as_before(copy: Copy) -> None:
    run_sql(copy.source, "CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public", *BUILT_IN)
    run_sql(copy.target, "CREATE EXTENSION hstore", "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) FROM PUBLIC",
            "GRANT EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) TO pg_monitor",
            "DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "CREATE EXTENSION hstore")  # fmt: skip
    before = dump(copy.target)
    copy.harm("phase done")
    assert copy.run() is None
    assert dump(copy.target) != before
    assert copy.clean() == []
    assert dump(copy.target) == before


GIVES = (
    "ALTER DEFAULT PRIVILEGES FOR ROLE pair_a GRANT SELECT ON TABLES TO pair_b",
    "ALTER DEFAULT PRIVILEGES FOR ROLE pair_a REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    "ALTER DEFAULT PRIVILEGES FOR ROLE pair_b IN SCHEMA public GRANT USAGE ON SEQUENCES TO pair_a WITH GRANT OPTION",
    "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
    "GRANT USAGE ON LANGUAGE plpgsql TO pair_b",
    "GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO pair_b WITH GRANT OPTION",
    "GRANT UPDATE ON pg_catalog.pg_class TO pair_b",
    "GRANT SELECT (rolpassword) ON pg_catalog.pg_authid TO pair_a",
    "REVOKE EXECUTE ON FUNCTION akeys(hstore) FROM PUBLIC",
    "CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION pg_catalog.prsd_lextype(internal))",
    "CREATE EXTENSION pg_stat_statements",
    "CREATE EVENT TRIGGER teller ON ddl_command_end EXECUTE FUNCTION _heroku.tells()",
    "CREATE SEQUENCE numbers",
)
BOTH_HAVE = (
    "CREATE ROLE pair_a",
    "CREATE ROLE pair_b",
    "CREATE EXTENSION hstore",
    "CREATE SCHEMA _heroku",
    "CREATE FUNCTION _heroku.tells() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
)
HAS = (
    "GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO pair_a",
    "REVOKE SELECT ON pg_catalog.pg_class FROM PUBLIC",
    "ALTER DEFAULT PRIVILEGES FOR ROLE pair_a GRANT DELETE ON TABLES TO pair_b WITH GRANT OPTION",
    "ALTER DEFAULT PRIVILEGES FOR ROLE pair_b REVOKE USAGE ON TYPES FROM PUBLIC",
)


def test_default_privileges_rights_on_what_was_there_and_transforms_are_put_back(pair: Pair, tmp_path: Path) -> None:
    for location in (pair.source, pair.target):
        run_sql(location, *BOTH_HAVE)
    run_sql(pair.target, *HAS)
    run_sql(pair.source, *GIVES)
    copy = Copy(pair.source, pair.target, tmp_path / "work")
    copy.order(skip_schemas=("_heroku",))
    before = dump(copy.target)
    copy.harm("phase done")
    assert copy.run() is None
    assert {b"CREATE", b"REVOKE", b"ALTER"} <= {line.split()[0] for line in {*dump(copy.target)} - {*before}}

    assert copy.clean() == []

    after = dump(copy.target)
    print(*sorted({*before} ^ {*after}), sep="\n")
    assert after == before


def test_the_abort_of_another_migration_into_the_same_target_removes_nothing(copy: Copy) -> None:
    copy.harm('rows "public"."orders"')
    assert copy.run() is None
    half_done = dump(copy.target)
    copy.order(mark="another", run="8:1")

    outcome = copy.run()

    assert outcome is not None
    assert outcome.error is not None
    assert outcome.error.id == "check_failed"
    assert copy.clean() == []
    assert dump(copy.target) == half_done


@pytest.mark.long
def test_a_dead_source_does_not_hinder_it(copy: Copy, source_server: Server) -> None:
    empty = dump(copy.target)
    copy.harm('rows "public"."orders"')
    assert copy.run() is None
    asyncio.run(source_server.cluster.kill())
    try:
        assert copy.clean() == []
    finally:
        asyncio.run(source_server.cluster.start())
    assert dump(copy.target) == empty


def test_with_a_dead_target_it_says_what_remains_and_can_be_asked_again(copy: Copy, target_server: Server) -> None:
    empty = dump(copy.target)
    copy.harm('rows "public"."orders"')
    assert copy.run() is None
    asyncio.run(target_server.cluster.kill())
    try:
        (remains,) = copy.clean()
    finally:
        asyncio.run(target_server.cluster.start())
    assert copy.target.database in remains
    assert "does not answer" in remains
    assert copy.clean() == []
    assert dump(copy.target) == empty


def test_a_role_that_is_used_elsewhere_meanwhile_stays_and_is_named(copy: Copy, target_server: Server) -> None:
    copy.harm("phase keys")
    assert copy.run() is None
    other = target_server.database()
    run_sql(other, f'CREATE SCHEMA used AUTHORIZATION "{ROLES[0]}"')
    (remains,) = copy.clean()
    assert f"Role {ROLES[0]}" in remains
    target_server.drop(other)
    assert copy.clean() == []
