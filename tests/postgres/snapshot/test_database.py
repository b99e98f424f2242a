"""The database itself and the roles in it: what they have on the source they have on the target, or the report says why not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.corpus.servers import Server, programs_of, run_sql, running
from tests.postgres.snapshot.conftest import Copy, Pair

from changeover.postgres.comparing.databases import compare
from changeover.postgres.location import Location

PROPERTIES = """
SELECT pg_get_userbyid(datdba)::text, datconnlimit, shobj_description(oid, 'pg_database'),
       (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(coalesce(datacl, acldefault('d', datdba))) a)
  FROM pg_database WHERE datname = current_database()
"""
SETTINGS = """
SELECT coalesce(rolname, '')::text, unnest(setconfig) FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = setrole
 WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1, 2
"""


def of(location: Location, query: str) -> list[tuple[Any, ...]]:
    return run_sql(location, query)


def test_owner_rights_limit_and_comment_of_the_database_arrive(pair: Pair) -> None:
    pair.make("CREATE ROLE pair_app LOGIN PASSWORD 'x'; CREATE ROLE pair_reader LOGIN; REVOKE ALL ON DATABASE THIS FROM PUBLIC;"
              "GRANT CONNECT ON DATABASE THIS TO pair_reader WITH GRANT OPTION; GRANT TEMP ON DATABASE THIS TO pair_reader;"
              "ALTER DATABASE THIS CONNECTION LIMIT 17; COMMENT ON DATABASE THIS IS 'the shop''s';"
              "ALTER DATABASE THIS OWNER TO pair_app")  # fmt: skip
    pair.move()
    assert of(pair.target, PROPERTIES) == of(pair.source, PROPERTIES)
    assert pair.notes == []
    app = pair.target.with_(user="pair_app", password="x")
    run_sql(app, "CREATE TABLE first_of_the_app (id int)")


def test_what_the_target_restricts_is_never_loosened(pair: Pair) -> None:
    pair.make("GRANT CREATE ON DATABASE THIS TO PUBLIC; ALTER DATABASE THIS CONNECTION LIMIT 90")
    pair.on_target("REVOKE CONNECT ON DATABASE THIS FROM PUBLIC; ALTER DATABASE THIS CONNECTION LIMIT 5;"
                   "CREATE ROLE pair_watcher; GRANT CONNECT ON DATABASE THIS TO pair_watcher")  # fmt: skip
    before = of(pair.target, PROPERTIES)
    pair.move()
    assert of(pair.target, PROPERTIES) == before
    assert len(pair.notes) == 3, pair.notes
    assert "connection limit stays 5. On the source it is 90" in " ".join(pair.notes)


def test_settings_of_roles_in_the_database_arrive_also_for_roles_that_were_there(pair: Pair) -> None:
    pair.make("CREATE ROLE pair_old LOGIN; CREATE ROLE pair_new LOGIN; CREATE ROLE pair_group;"
              "GRANT pair_group TO pair_old, pair_new;"
              "CREATE TABLE t (id int); GRANT SELECT ON t TO pair_group;"
              "ALTER ROLE pair_old IN DATABASE THIS SET search_path = tenant, \"b c\";"
              "ALTER ROLE pair_new IN DATABASE THIS SET \"app.mode\" = E'it''s \\\\ \"x\"';"
              "ALTER ROLE changeover IN DATABASE THIS SET work_mem = '5MB'; ALTER ROLE pair_new SET DateStyle = 'German, DMY';"
              "ALTER ROLE pair_old SET work_mem = '9MB'; ALTER ROLE pair_old CONNECTION LIMIT 3")  # fmt: skip
    pair.on_target("CREATE ROLE pair_old LOGIN")
    pair.move()
    assert of(pair.target, SETTINGS) == of(pair.source, SETTINGS)
    assert run_sql(
        pair.target,
        "SELECT pg_has_role('pair_old', 'pair_group', 'MEMBER'), pg_has_role('pair_new', 'pair_group', 'MEMBER')",
    ) == [(True, True)]
    (note,) = pair.notes
    assert note.startswith("Role pair_old already exists on the target and stays unchanged")
    assert "CONNECTION LIMIT 3 on the source and -1 on the target" in note
    assert "work_mem=9MB" in note
    assert run_sql(
        pair.target, "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'pair_new'::regrole AND setdatabase = 0"
    ) == [(["DateStyle=German, DMY"],)]


def test_a_membership_between_roles_that_were_there_is_named_with_the_statement(pair: Pair) -> None:
    roles = 'CREATE ROLE pair_member; CREATE ROLE "pair_the_group";'
    pair.make(roles + "GRANT pair_the_group TO pair_member; CREATE TABLE t (); GRANT SELECT ON t TO pair_the_group")
    pair.on_target(roles)
    pair.move()
    (note,) = pair.notes
    assert 'GRANT "pair_the_group" TO "pair_member" WITH ADMIN FALSE, INHERIT TRUE, SET TRUE;' in note
    assert run_sql(pair.target, "SELECT pg_has_role('pair_member', 'pair_the_group', 'MEMBER')") == [(False,)]


OPTIONS = """
SELECT bool_or(admin_option), bool_or(inherit_option), bool_or(set_option) FROM pg_auth_members
 WHERE member = 'pair_member'::regrole AND roleid = 'pair_group'::regrole
"""


def test_a_member_that_does_not_inherit_does_not_inherit_on_the_target_either(pair: Pair) -> None:
    """Before version 16 that is a property of the member, then one of the membership."""
    pair.make("CREATE ROLE pair_member NOINHERIT; CREATE ROLE pair_group; GRANT pair_group TO pair_member WITH ADMIN OPTION;"
              "CREATE TABLE t (); GRANT SELECT ON t TO pair_group")  # fmt: skip
    pair.on_target("CREATE ROLE pair_member INHERIT")
    pair.move()
    assert run_sql(pair.target, OPTIONS) == [(True, False, True)]


GRANTED_TWICE = """
CREATE ROLE pair_member; CREATE ROLE pair_group; CREATE ROLE pair_admin; GRANT pair_group TO pair_admin WITH ADMIN TRUE;
GRANT pair_group TO pair_member WITH ADMIN TRUE, INHERIT FALSE, SET FALSE; SET ROLE pair_admin;
GRANT pair_group TO pair_member WITH INHERIT TRUE, SET FALSE; RESET ROLE; CREATE TABLE t (); GRANT SELECT ON t TO pair_group
"""


@pytest.fixture
def newer_pair(target_server: Server) -> Iterator[Pair]:
    """On two servers of a version that has memberships with options."""
    programs = programs_of(target_server.major)
    assert programs is not None
    with running(programs) as source:
        yield Pair((source, target_server), source.database(), target_server.database())


def test_a_membership_arrives_with_all_options_that_its_grants_give_together(newer_pair: Pair) -> None:
    pair = newer_pair
    pair.make(GRANTED_TWICE)
    pair.move()
    assert run_sql(pair.source, OPTIONS) == [(True, True, False)]
    assert run_sql(pair.target, OPTIONS) == [(True, True, False)]
    assert asyncio.run(compare(pair.source, pair.target, compares_owners=True)).differences == []
    run_sql(pair.target, "GRANT pair_group TO pair_member WITH SET TRUE")
    (found,) = asyncio.run(compare(pair.source, pair.target, compares_owners=True)).differences
    assert "SET false on the source" in str(found)

    there = Pair(pair.servers, pair.source, pair.servers[1].database())
    run_sql(pair.target, "GRANT pair_group TO pair_member WITH INHERIT FALSE, ADMIN FALSE, SET TRUE")
    there.move()
    run_sql(pair.target, "GRANT pair_group TO pair_member WITH ADMIN TRUE, INHERIT TRUE")
    there_too = Pair(pair.servers, pair.source, pair.servers[1].database())
    there_too.move()
    pair.servers[1].drop(pair.target, there.target, there_too.target)
    run_sql(pair.servers[1].location(), "DROP ROLE pair_member, pair_group, pair_admin")
    (lacking,) = there.notes
    assert "is in pair_group with ADMIN TRUE, INHERIT TRUE, SET FALSE on the source" in lacking
    assert 'GRANT "pair_group" TO "pair_member" WITH ADMIN TRUE, INHERIT TRUE;' in lacking
    assert there_too.notes == [
        "Role pair_member is in pair_group with SET FALSE on the source and SET TRUE on the target. It stays unchanged."
    ]


def test_no_setting_keeps_people_out(pair: Pair) -> None:
    if pair.servers[0].major != 15:
        pytest.skip("there is no PostgreSQL 15 here")
    pair.make("CREATE ROLE pair_app LOGIN PASSWORD 'x'; CREATE TABLE t (); ALTER TABLE t OWNER TO pair_app;"
              "ALTER DATABASE THIS SET session_preload_libraries = 'auto_explain', 'old_snapshot';"
              "ALTER ROLE pair_app SET local_preload_libraries = 'only_there'; ALTER ROLE pair_app SET work_mem = '6MB';"
              "ALTER ROLE pair_app IN DATABASE THIS SET default_transaction_read_only = on;"
              "ALTER DATABASE THIS SET default_transaction_read_only = on; ALTER DATABASE THIS CONNECTION LIMIT 0")  # fmt: skip
    pair.move()
    app = pair.target.with_(user="pair_app", password="x")
    assert run_sql(app, "CREATE TEMP TABLE of_the_app ()", "SHOW work_mem") == [("6MB",)]
    assert len(pair.notes) == 5, pair.notes
    assert sum("no user could log in" in note for note in pair.notes) == 3


def test_a_setting_that_the_target_does_not_know_does_not_keep_its_role_away(pair: Pair) -> None:
    pair.make("CREATE ROLE pair_app LOGIN PASSWORD 'x'; CREATE TABLE t (); ALTER TABLE t OWNER TO pair_app;"
              "ALTER ROLE pair_app SET old_snapshot_threshold_x.y = 'fine';"
              "ALTER ROLE pair_app SET vacuum_defer_cleanup_age_x.y = '1';"
              "ALTER DATABASE THIS SET force_parallel_mode = on")  # fmt: skip
    pair.move()
    assert pair.report["roles_made"] == ["pair_app"]
    assert of(pair.target, "SELECT tableowner::text FROM pg_tables WHERE tablename = 't'") == [("pair_app",)]


def test_an_abort_puts_the_database_back(copy: Copy) -> None:
    name, there = copy.source.database, copy.target.database
    run_sql(copy.source, f'COMMENT ON DATABASE "{name}" IS \'x\'', f'ALTER DATABASE "{name}" CONNECTION LIMIT 9',
            f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC', f'ALTER DATABASE "{name}" OWNER TO "owner of it"',
            f'ALTER ROLE changeover IN DATABASE "{name}" SET work_mem = \'5MB\'',
            f'ALTER ROLE reader IN DATABASE "{name}" SET work_mem = \'5MB\'')  # fmt: skip
    run_sql(
        copy.target,
        f"ALTER ROLE changeover IN DATABASE \"{there}\" SET work_mem = '4MB'",
        f"COMMENT ON DATABASE {there} IS 'mine'",
    )
    before = of(copy.target, PROPERTIES), of(copy.target, SETTINGS)
    copy.order(keeps_ledger=True)
    copy.report()
    assert of(copy.target, PROPERTIES) == of(copy.source, PROPERTIES)
    assert asyncio.run(_clean(copy)) == []
    assert (of(copy.target, PROPERTIES), of(copy.target, SETTINGS)) == before
    psycopg.connect(copy.target.url).close()


async def _clean(copy: Copy) -> list[str]:
    return await asyncio.to_thread(copy.clean)


def test_the_role_that_a_database_gives_to_its_sessions_is_named_and_not_brought(pair: Pair) -> None:
    pair.make("CREATE ROLE pair_app LOGIN; CREATE TABLE t (); GRANT CREATE ON DATABASE THIS TO pair_app;"
              "ALTER ROLE pair_app IN DATABASE THIS SET role = 'pair_app'")  # fmt: skip
    run_sql(pair.source, f"ALTER DATABASE {pair.source.database} SET role = 'changeover'")
    pair.move()
    named = [note for note in pair.notes if "setting role" in note]
    assert len(named) == 1
    assert f'ALTER DATABASE "{pair.target.database}" SET ROLE "changeover"' in named[0]
    of_the_target = "WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"
    kept = run_sql(pair.target, f"SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting {of_the_target}")
    assert kept == [("pair_app", ["role=pair_app"])]
