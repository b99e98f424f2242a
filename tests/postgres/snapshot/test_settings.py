"""Settings of the database and rights on settings, apart from what the move of a whole database shows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.corpus.servers import run_sql
from tests.postgres.snapshot.conftest import Pair

from changeover.postgres.snapshot.ledger import open_ledger, read_ledger
from changeover.postgres.snapshot.sessions import writing
from changeover.postgres.snapshot.settings import Setting, bring_settings, reset_settings

OF_DATABASE = """
SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def test_an_attempt_that_goes_on_brings_settings_that_the_last_one_took_back(pair: Pair) -> None:
    run_sql(pair.target, f"ALTER DATABASE \"{pair.target.database}\" SET work_mem = '3MB'")
    settings = [Setting(None, "work_mem", "5MB"), Setting(None, "search_path", '"$user", public')]
    seen: list[list[tuple[Any, ...]]] = []

    async def move() -> None:
        async with writing(pair.target, "changeover test") as target:
            ledger = await open_ledger(target, "mark", ())
            await bring_settings(settings, target, pair.target, ledger, print, is_held=False)
            await reset_settings(target, ledger)
            seen.append(run_sql(pair.target, OF_DATABASE))
            noted = await read_ledger(target, "mark")
            assert noted is not None
            await bring_settings(settings, target, pair.target, noted, print, is_held=False)
            seen.append(run_sql(pair.target, OF_DATABASE))
            await reset_settings(target, noted)
            seen.append(run_sql(pair.target, OF_DATABASE))

    asyncio.run(move())

    before, brought = [(["work_mem=3MB"],)], [(["work_mem=5MB", 'search_path="$user", public'],)]
    assert seen == [before, brought, before]


GIVEN = (
    "CREATE ROLE pair_app",
    "CREATE ROLE pair_stranger",
    "GRANT SET ON PARAMETER log_statement, session_replication_role TO pair_app",
    "GRANT ALTER SYSTEM ON PARAMETER log_statement TO pair_app WITH GRANT OPTION",
    "GRANT SET ON PARAMETER app.level TO PUBLIC",
    "GRANT SET ON PARAMETER log_duration TO pair_stranger",
)


def test_rights_on_settings_are_named_with_the_statement_that_gives_them(pair: Pair) -> None:
    if pair.servers[0].major < 15:
        pytest.skip("there is no PostgreSQL 15 here")
    run_sql(pair.source, *GIVEN, "CREATE SCHEMA own AUTHORIZATION pair_app")
    try:
        pair.move()
        says = [note.partition(" As a superuser of the target: ") for note in pair.notes]
        assert [grant for _, _, grant in says] == [
            'GRANT SET ON PARAMETER "app"."level" TO PUBLIC;',
            'GRANT ALTER SYSTEM ON PARAMETER "log_statement" TO "pair_app" WITH GRANT OPTION;',
            'GRANT SET ON PARAMETER "log_statement" TO "pair_app";',
            'GRANT SET ON PARAMETER "session_replication_role" TO "pair_app";',
        ]
        assert says[0][0].startswith("Every role has the right SET on the setting app.level on the source.")
        run_sql(pair.target, *(grant for _, _, grant in says))
        again = Pair(pair.servers, pair.source, pair.servers[1].database())
        again.move()
        pair.servers[1].drop(again.target)
        assert again.notes == []
    finally:
        for location in (pair.source, pair.target):
            run_sql(location, "REVOKE ALL ON PARAMETER app.level FROM PUBLIC")
            for role in ("pair_app", "pair_stranger"):
                run_sql(location, f"DO $$BEGIN DROP OWNED BY {role}; EXCEPTION WHEN undefined_object THEN END$$")
