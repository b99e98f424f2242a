"""What every session of ours sets for itself, so that no database and no role can change what our statements mean.

A database, a role, or a role in a database can carry any setting (ALTER DATABASE … SET): how strings, arrays, dates and numbers
are written and read, which rows are seen, how transactions behave. A test holds this list against all settings that PostgreSQL
has: each is here, or is known to change no result.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from psycopg.errors import QueryCanceled

from changeover.postgres.connect import Connection

MEANING: Final = {
    "array_nulls": "on",
    "backslash_quote": "safe_encoding",
    "bytea_output": "hex",
    "createrole_self_grant": "",
    "DateStyle": "ISO, MDY",
    "default_table_access_method": "heap",
    "default_tablespace": "",
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    "escape_string_warning": "off",
    "extra_float_digits": "3",
    "gin_fuzzy_search_limit": "0",
    "IntervalStyle": "postgres",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "operator_precedence_warning": "off",
    "password_encryption": "scram-sha-256",
    "quote_all_identifiers": "off",
    "restrict_nonsystem_relation_kind": "",
    "standard_conforming_strings": "on",
    "TimeZone": "UTC",
    "transform_null_equals": "off",
    "xmlbinary": "base64",
    "xmloption": "content",
}
"""In the versions that know them: what is read and written means the same whatever the database carries."""
LIMITS: Final = {
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
}
"""Nothing ends our sessions but we. `statement_timeout` is for each session to choose."""
TRIES: Final = 20
APPLY: Final = """
SELECT count(pg_catalog.set_config(s.name, v.setting, false))
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) v (name, setting)
  JOIN pg_catalog.pg_settings s ON s.name OPERATOR(pg_catalog.=) v.name
"""
"""Settings that this version doesn't know are left out."""


async def limit(connection: Connection, milliseconds: int) -> None:
    """Set `statement_timeout`, also where the database's own is so short that this statement may not end in time."""
    for _ in range(TRIES):
        with suppress(QueryCanceled):
            await connection.execute(f"SET statement_timeout = {milliseconds}".encode())
            return
    await connection.execute(f"SET statement_timeout = {milliseconds}".encode())


async def settle(connection: Connection, settings: Mapping[str, str]) -> None:
    """Set what this version knows of `settings`, for the session."""
    query = APPLY.replace("$1", "%s").replace("$2", "%s")
    await connection.execute(query.encode(), [list(settings), list(settings.values())])
