"""Makes a database on a foreign server read-only for new sessions and ends the old ones. Weaker than a fence.

A session that turns `transaction_read_only` off for itself can still write. The later comparison is the proof.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from changeover.errors.elsewhere import HoldFailed
from changeover.postgres import ending
from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.location import Location

SETTING = "default_transaction_read_only"
OURS = r"^changeover( verify| hold)?$|^changeover:[0-9a-f-]{1,40}:[0-9]{1,9} (copy|end)$"
"""The names of our own sessions. They log in as the role in the source's address, as this session does."""
SESSIONS = """
SELECT pid, backend_start::text, datname,
       format('%%s as %%s %%s(pid %%s)', coalesce(nullif(application_name, ''), 'a client'), usename,
              CASE WHEN backend_start IS NOT NULL THEN 'from ' || coalesce(host(client_addr), 'its own host') || ' ' END, pid)
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
   AND coalesce(backend_type, 'client backend') = 'client backend'
   AND coalesce(backend_start <= %(moment)s::timestamptz, pid = ANY (%(hidden)s))
   AND pid NOT IN (SELECT pid FROM pg_stat_replication)
   AND NOT (application_name ~ %(ours)s AND usename = current_user)
 ORDER BY pid
"""
"""Only superusers and members of pg_read_all_stats see kind and start of other roles' sessions."""
HIDDEN = """
SELECT coalesce(array_agg(pid), '{}') FROM pg_stat_activity
 WHERE datname = current_database() AND usesysid IS NOT NULL AND backend_type IS NULL
"""
END_S = 10.0
LOOK_S = 0.02


@dataclass(frozen=True)
class Sessions:
    """The sessions that were ended, and descriptions of those that could not be ended."""

    ended: list[str]
    left: list[str]
    hidden: list[int]
    """Processes whose start time is hidden from us and that existed at the first call. Later ones began afterwards."""


async def setting_before(connection: Connection) -> str | None:
    """The database's own value of the setting, or None."""
    query = (
        "SELECT (SELECT split_part(one, '=', 2) FROM pg_db_role_setting, unnest(setconfig) AS one"
        " WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) AND setrole = 0"
        " AND one LIKE %s || '=%%')"
    )
    (value,) = await fetch_row(connection, query, [SETTING])
    return value if value is None else str(value)


async def set_read_only(connection: Connection, location: Location, *, value: str | None = "on") -> None:
    """For new sessions. `value` None resets the database's setting. Raises HoldFailed."""
    database = sql.Identifier(location.database)
    name = sql.Identifier(SETTING)
    change = (
        sql.SQL("ALTER DATABASE {} RESET {}").format(database, name)
        if value is None
        else sql.SQL("ALTER DATABASE {} SET {} = {}").format(database, name, sql.Literal(value))
    )
    await connection.execute(sql.SQL("SET {} = off").format(name))  # else our own session could not change it back
    try:
        await connection.execute(change)
    except InsufficientPrivilege:
        raise HoldFailed(
            f"{location.user} may not make {location.database} read-only.",
            why="Only the owner of a database, or a superuser, may change its settings.",
            fix="Stop the writers yourself and use --hold none, or give commands that do it: --on-hold, --on-release.",
        ) from None


async def end_sessions(
    connection: Connection, *, hidden: Sequence[int] | None = None, within_s: float = END_S
) -> Sessions:
    """End every other client session of this database that began before now, and wait until it is gone. Spares our own.

    Later sessions use the database's present settings. A session reads them before it is listed in pg_stat_activity, so
    this also waits for sessions that are logging in. A session that was told to end may be in the middle of its commit.
    `hidden`: the value that an earlier call returned.
    """
    arrived = await ending.arriving(connection)
    (moment,) = await fetch_row(connection, "SELECT clock_timestamp()::text")
    if hidden is None:
        (hidden,) = await fetch_row(connection, HIDDEN)
    named = {"moment": moment, "hidden": list(hidden), "ours": OURS}
    ended: dict[int, str] = {}
    deadline = monotonic() + within_s
    while True:
        arriving = arrived & await ending.arriving(
            connection
        )  # query this first: a session that arrives later is listed below
        found = await (await connection.execute(SESSIONS, named)).fetchall()
        left = [str(who) for *backend, who in found if not await _is_told_to_end(connection, backend)]
        ended |= {pid: str(who) for pid, *_, who in found if who not in left}
        if (len(left) == len(found) and not arriving) or monotonic() > deadline:
            there = {pid: str(who) for pid, *_, who in found}
            gone = [who for pid, who in ended.items() if pid not in there]
            waited_for = [f"a session that is logging in (pid {pid})" for pid in sorted(arriving)]
            return Sessions(gone, [*there.values(), *waited_for], [pid for pid in hidden if pid in there])
        await asyncio.sleep(LOOK_S)


async def _is_told_to_end(connection: Connection, backend: list[Any]) -> bool:
    pid, started, database = backend
    if started is None:
        return False
    try:
        await ending.end(connection, [ending.Backend(pid, started, database)])
    except InsufficientPrivilege:
        return False
    return True


async def roles_that_write_all_the_same(connection: Connection) -> list[str]:
    """Roles whose own setting overrides the database's."""
    rows = await connection.execute(
        "SELECT DISTINCT rolname FROM pg_db_role_setting JOIN pg_roles ON pg_roles.oid = setrole, unnest(setconfig) AS one"
        " WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))"
        " AND one ~* '^default_transaction_read_only=(off|false|no|0)$' ORDER BY rolname"
    )
    return [str(name) for (name,) in await rows.fetchall()]
