"""Settings that each of our sessions sets, so that no database or role can change what our statements mean.

A database, a role, or a role in a database can have any setting (ALTER DATABASE … SET): how strings, arrays, dates and numbers
are written and read, which rows are visible, how transactions behave. A test compares this list with all settings of
PostgreSQL: each is either here or known not to change any result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final, TypeVar

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
"""Values are read and written the same way whatever the database has set. Not every version knows all of these."""
LIMITS: Final = {
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
}
"""Only we end our sessions. Each session chooses its own `statement_timeout`."""
TRIES: Final = 50
Result = TypeVar("Result")
APPLY: Final = """
SELECT count(pg_catalog.set_config(s.name, v.setting, false))
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) v (name, setting)
  JOIN pg_catalog.pg_settings s ON s.name OPERATOR(pg_catalog.=) v.name
"""
"""Skips settings that the server's version doesn't know."""


async def retried(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """The result of a statement that takes no time, under a `statement_timeout` shorter than the pauses of a busy machine."""
    for _ in range(TRIES):
        with suppress(QueryCanceled):
            return await attempt()
    return await attempt()


async def limit(connection: Connection, milliseconds: int) -> None:
    """Set `statement_timeout`, whatever the database's own is."""
    await retried(lambda: connection.execute(f"SET statement_timeout = {milliseconds}".encode()))


async def settle(connection: Connection, settings: Mapping[str, str]) -> None:
    """Set those of `settings` that the server's version knows, for the session."""
    query = APPLY.replace("$1", "%s").replace("$2", "%s")
    await connection.execute(query.encode(), [list(settings), list(settings.values())])
