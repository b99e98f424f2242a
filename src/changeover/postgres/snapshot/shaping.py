"""Settings that functions may read: output formats, the time zone, text search dictionaries.

An index, generated column, CHECK or materialized view can call a function that is declared IMMUTABLE but reads such a setting.
What we build must match what the app's sessions compute later. These sessions will have the source database's settings, which
are copied last, and otherwise the target's own.
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
"""None of them changes how COPY text is parsed: it has ISO dates and numeric time zones."""
OWN: Final = "SELECT name, reset_val FROM pg_catalog.pg_settings WHERE name = ANY(%s) AND reset_val IS NOT NULL"
APPLY: Final = "SELECT pg_catalog.set_config(%s, %s, false)"


async def read_shaping(source: Connection, target: Connection) -> dict[str, str]:
    """The values in new sessions of the target once the source's settings are copied. Includes custom settings (`a.b`)."""
    found = dict(await (await target.execute(OWN, [list(SHAPING)])).fetchall())
    for setting in await read_settings(source):
        is_read = setting.name in SHAPING or "." in setting.name
        if is_read and setting.role is None and await _is_taken(target, setting.name, setting.value):
            found[setting.name] = setting.value
    return found


async def apply_shaping(connection: Connection, settings: Mapping[str, str]) -> None:
    """Set them for the session."""
    for name, value in settings.items():
        await connection.execute(APPLY, [name, value])


async def _is_taken(target: Connection, name: str, value: str) -> bool:
    """A time zone or locale may be unknown to the target. `bring_settings` reports it later."""
    try:
        async with target.transaction(force_rollback=True):
            await target.execute(APPLY, [name, value])
    except psycopg.Error as refused:
        if is_lost(refused):
            raise
        return False
    return True
