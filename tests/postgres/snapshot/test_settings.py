"""Settings of the database and rights on settings, apart from what the move of a whole database shows."""

from __future__ import annotations

import asyncio
from typing import Any

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
