"""Ends sessions, each identified by pid, start time and database. No other file calls pg_terminate_backend.

An application name proves nothing: any client may choose any name, and one role may work in several databases.
A pid alone proves nothing either: the server may reuse it between the query and the signal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from changeover.postgres.connect import Connection

OWN_IN_THIS_DATABASE = """
SELECT pid, backend_start::text, datname FROM pg_catalog.pg_stat_activity
 WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
   AND coalesce(backend_type, 'client backend') = 'client backend' AND backend_start IS NOT NULL
   AND usesysid IS NOT NULL AND pg_catalog.pg_has_role(usesysid, 'USAGE')
"""
ALL_IN_A_DATABASE = """
SELECT pid, backend_start::text, datname FROM pg_catalog.pg_stat_activity
 WHERE datname = %s AND backend_type = 'client backend' AND usename <> %s AND pid <> pg_catalog.pg_backend_pid()
"""
ARRIVING = """
SELECT pid FROM pg_catalog.pg_locks
 WHERE locktype = 'object' AND classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND mode = 'RowExclusiveLock'
   AND objid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
   AND pid <> pg_catalog.pg_backend_pid()
"""
LEFT_BEHIND = """
SELECT other.pid, other.backend_start::text, other.datname
  FROM pg_catalog.pg_stat_activity AS other, pg_catalog.pg_stat_activity AS this
 WHERE this.pid = pg_catalog.pg_backend_pid() AND other.pid <> this.pid
   AND other.datname = this.datname AND other.usesysid = this.usesysid AND other.backend_start < this.backend_start
   AND other.application_name LIKE %s
"""
READING_A_SLOT = """
SELECT reader.pid, reader.backend_start::text, reader.datname
  FROM pg_catalog.pg_replication_slots JOIN pg_catalog.pg_stat_activity AS reader ON reader.pid = active_pid
 WHERE slot_name = %s
"""
STILL_THERE = """
SELECT pg_catalog.count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(found.pid))
  FROM pg_catalog.pg_stat_activity AS found
  JOIN ROWS FROM (pg_catalog.unnest(%s::int[]), pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[]))
       AS named (pid, started, datname) ON named.pid = found.pid
 WHERE found.backend_start::text = named.started AND found.datname IS NOT DISTINCT FROM named.datname
   AND found.pid <> pg_catalog.pg_backend_pid()
"""


@dataclass(frozen=True)
class Backend:
    """One session of a server. A later session with the same pid has a later start time."""

    pid: int
    started: str
    """`backend_start` as text, because psycopg can't parse every DateStyle."""
    database: str | None
    """None for a session without a database, such as a follower's."""


async def end(connection: Connection, backends: Iterable[Backend]) -> int:
    """End these sessions if they still exist. Returns the number of sessions signalled.

    Raises psycopg's InsufficientPrivilege for a session that this role may not end.
    """
    named = list(backends)
    if not named:
        return 0
    columns = [[one.pid for one in named], [one.started for one in named], [one.database for one in named]]
    found = await connection.execute(STILL_THERE, columns)
    (ended,) = await found.fetchone() or (0,)
    return int(ended)


async def own_backends(connection: Connection) -> list[Backend]:
    """Other client sessions in this database whose role's rights this one has."""
    return await _listed(connection, OWN_IN_THIS_DATABASE)


async def client_backends(connection: Connection, database: str, *, but_of: str) -> list[Backend]:
    """All client sessions in `database`, except those of the role `but_of`."""
    return await _listed(connection, ALL_IN_A_DATABASE, [database, but_of])


async def arriving(connection: Connection) -> set[int]:
    """The processes of sessions that are logging in to this database. pg_stat_activity doesn't list them yet, but they may
    already have passed the connection limit or read the settings. Each holds this lock from before that until it is
    listed.
    """
    found = await connection.execute(ARRIVING.encode())
    return {int(pid) for (pid,) in await found.fetchall()}


async def left_behind(connection: Connection, begins: str, ends: str) -> list[Backend]:
    """Sessions of this role in this database that are older than this one and are named `begins…ends`.

    Names only narrow the choice. An earlier program's sessions are older than the session that asks, so a program whose
    source and target are on one server never ends its own other session.
    """
    return await _listed(connection, LEFT_BEHIND, [f"{_escaped(begins)}%{_escaped(ends)}"])


async def readers_of(connection: Connection, slot: str) -> list[Backend]:
    """The session that reads from a replication slot, if there is one."""
    return await _listed(connection, READING_A_SLOT, [slot])


def _escaped(name: str) -> str:
    return name.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


async def _listed(connection: Connection, query: str, values: Sequence[object] = ()) -> list[Backend]:
    found = await connection.execute(query.encode(), values)
    return [Backend(*row) for row in await found.fetchall()]
