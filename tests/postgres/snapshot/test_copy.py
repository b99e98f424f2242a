"""A database arrives whole, whatever is in it, and whoever is allowed to do what."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.corpus.servers import run_sql
from tests.postgres.snapshot.conftest import Copy, dump, sessions

from changeover.postgres.snapshot import starting


def test_everything_of_a_hard_schema_arrives(copy: Copy) -> None:
    report = copy.report()
    assert copy.has_arrived()
    assert report["roles_made"] == ["owner of it", "reader"]
    assert report["tables"] == 12
    assert report["notes"] == []
    assert sessions(copy.source) == sessions(copy.target) == []


def test_settings_of_the_database_and_memberships_come_too(copy: Copy) -> None:
    copy.report()
    database = "(SELECT oid FROM pg_database WHERE datname = current_database())"
    settings = f"SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = {database}"
    assert run_sql(copy.target, settings) == [(["work_mem=5MB", 'search_path="$user", public, "Odd ""schema"" name"'],)]
    assert run_sql(copy.target, "SELECT pg_has_role('owner of it', 'reader', 'member')") == [(True,)]


def test_large_tables_come_in_ranges(copy: Copy) -> None:
    copy.order(range_bytes=64 << 10, connections=3)
    report = copy.report()
    assert copy.has_arrived()
    figures = {f"{one['schema']}.{one['table']}": one for one in report["per_table"]}
    assert len(figures) == report["tables"]
    assert sum(one["bytes"] for one in figures.values()) == report["bytes"]
    ((count,),) = run_sql(copy.source, "SELECT count(*) FROM customers")
    assert figures["public.customers"]["rows"] == count  # of all its ranges
    assert figures["public.customers"]["seconds"] > 0


def test_where_owners_are_not_kept_all_belongs_to_the_targets_role(copy: Copy) -> None:
    copy.order(keeps_owners=False)
    assert copy.report()["roles_made"] == []
    owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert run_sql(copy.target, owners) == [("changeover",)]
    assert run_sql(copy.target, "SELECT count(*) FROM customers") == run_sql(
        copy.source, "SELECT count(*) FROM customers"
    )


def test_rows_that_row_level_security_would_hide_are_an_error_that_names_the_table(copy: Copy) -> None:
    run_sql(copy.source, "DROP ROLE IF EXISTS mover", "CREATE ROLE mover LOGIN PASSWORD 'x' IN ROLE pg_read_all_data")
    empty = dump(copy.target)
    copy.order(source=copy.source.with_(user="mover", password="x").url)
    outcome = copy.run()
    assert outcome is not None
    assert outcome.error is not None
    assert '"public"."secrets"' in outcome.error.what
    assert "row-level security" in outcome.error.why
    assert copy.clean() == []
    assert dump(copy.target) == empty


def test_a_target_that_is_not_empty_is_left_alone(copy: Copy) -> None:
    run_sql(copy.target, "CREATE TABLE mine ()")
    outcome = copy.run()
    assert outcome is not None
    assert outcome.error is not None
    assert outcome.error.id == "check_failed"
    assert "public.mine" in outcome.error.why
    assert run_sql(copy.target, "SELECT to_regnamespace('_changeover')") == [(None,)]


async def test_who_starts_it_sees_how_far_it_is_and_can_end_it(copy: Copy) -> None:
    process = await starting.start(copy.job, copy.work)
    assert process is not None
    assert await starting.start(copy.job, copy.work) == process
    assert "postgres" not in str(process.arguments).replace("postgres.snapshot", "")
    while not isinstance(found := starting.look(copy.work), starting.Outcome):
        assert (found.percent or 0) <= 100
        await asyncio.sleep(0.02)
    assert found.report is not None, found.error and found.error.message
    await starting.stop(copy.work)
    assert starting.processes(copy.work) == []


def test_a_wrong_address_of_either_side_is_said_at_once(copy: Copy) -> None:
    right = copy.job
    wrong_source, wrong_target = copy.source.with_(port="1").url, copy.target.with_(port="1").url
    for wrong in (replace(right, source=wrong_source), replace(right, target=wrong_target)):
        copy.job = wrong
        outcome = copy.run()
        assert outcome is not None
        assert outcome.error is not None
        assert outcome.error.id == "server_unreachable"
