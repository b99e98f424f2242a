"""Makes a database that we don't run read-only for new sessions, and ends the old ones. Softer than a fence, and said so.

A session that sets `transaction_read_only` off for itself can still write: the comparison afterwards is the proof.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from changeover.errors.elsewhere import HoldFailed
from changeover.postgres import ending
from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.location import Location

SETTING = "default_transaction_read_only"
OURS = r"^changeover( verify| hold)?$|^changeover:[0-9a-f-]{1,40}:[0-9]{1,9} (copy|end)$"
"""The names of our own sessions; they use the role of the source's address, as this one does."""
SESSIONS = """
SELECT pid, backend_start::text, datname,
       format('%%s as %%s from %%s (pid %%s)', coalesce(nullif(application_name, ''), 'a client'), usename,
              coalesce(host(client_addr), 'its own host'), pid)
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
   AND NOT (application_name ~ %s AND usename = current_user)
 ORDER BY backend_start
"""


@dataclass(frozen=True)
class Sessions:
    """Those that were there: ended now, and (in words) those that we may not end."""

    ended: list[str]
    left: list[str]


async def setting_before(connection: Connection) -> str | None:
    """The database's own value of the setting, None where it has none."""
    query = (
        "SELECT (SELECT split_part(one, '=', 2) FROM pg_db_role_setting, unnest(setconfig) AS one"
        " WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) AND setrole = 0"
        " AND one LIKE %s || '=%%')"
    )
    (value,) = await fetch_row(connection, query, [SETTING])
    return value if value is None else str(value)


async def set_read_only(connection: Connection, location: Location, *, value: str | None = "on") -> None:
    """For sessions that begin from now on; None takes the database's own value away. Raises HoldFailed."""
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
            fix="Stop the writers yourself and say --hold none, or give commands that do: --on-hold, --on-release.",
        ) from None


async def end_sessions(connection: Connection) -> Sessions:
    """Every other client of this database but ours; so that all that are there have begun with the setting."""
    ended, left = [], []
    for *named, who in await (await connection.execute(SESSIONS, [OURS])).fetchall():
        try:
            await ending.end(connection, [ending.Backend(*named)])
            ended.append(str(who))
        except InsufficientPrivilege:
            left.append(str(who))
    return Sessions(ended, left)


async def roles_that_write_all_the_same(connection: Connection) -> list[str]:
    """Those whose own setting wins over the database's."""
    rows = await connection.execute(
        "SELECT DISTINCT rolname FROM pg_db_role_setting JOIN pg_roles ON pg_roles.oid = setrole, unnest(setconfig) AS one"
        " WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))"
        " AND one ~* '^default_transaction_read_only=(off|false|no|0)$' ORDER BY rolname"
    )
    return [str(name) for (name,) in await rows.fetchall()]
