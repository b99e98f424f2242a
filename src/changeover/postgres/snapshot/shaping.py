"""Settings that functions read: how values are printed, the time zone, the dictionaries of text search.

An index, a generated column, a CHECK or a materialized view can call a function that is declared IMMUTABLE and still reads such a
setting. What we build must agree with what the app's sessions compute afterwards. These will have the settings of the source's
database, which are brought last, and for all others the target's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import psycopg

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.sessions import is_lost
from changeover.postgres.snapshot.settings import read_settings

SHAPING: Final = (
    "TimeZone", "DateStyle", "IntervalStyle", "bytea_output", "default_text_search_config", "extra_float_digits", "lc_time",
    "xmlbinary",
)  # fmt: skip
"""None of them changes how the text of a COPY is read: dates there are in ISO form, and time zones are numbers."""
OWN: Final = "SELECT name, reset_val FROM pg_catalog.pg_settings WHERE name = ANY(%s) AND reset_val IS NOT NULL"
APPLY: Final = "SELECT pg_catalog.set_config(%s, %s, false)"


async def read_shaping(source: Connection, target: Connection) -> dict[str, str]:
    """What new sessions of the target will have once the source's settings are there. Also settings of the app's own (`a.b`)."""
    found = dict(await (await target.execute(OWN, [list(SHAPING)])).fetchall())
    for setting in await read_settings(source):
        is_read = setting.name in SHAPING or "." in setting.name
        if is_read and setting.role is None and await _is_taken(target, setting.name, setting.value):
            found[setting.name] = setting.value
    return found


async def apply_shaping(connection: Connection, settings: Mapping[str, str]) -> None:
    """For the session."""
    for name, value in settings.items():
        await connection.execute(APPLY, [name, value])


async def _is_taken(target: Connection, name: str, value: str) -> bool:
    """A time zone or locale can be unknown there; `bring_settings` names it later."""
    try:
        async with target.transaction(force_rollback=True):
            await target.execute(APPLY, [name, value])
    except psycopg.Error as refused:
        if is_lost(refused):
            raise
        return False
    return True
