"""Drops everything that a role owns in a database, as that role, before a restore.

Keeps the database with its settings and rights, and objects of other owners: extensions that only a superuser can
create, and reserved schemas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

import psycopg
from psycopg import sql

from changeover.errors import ServerBusy
from changeover.postgres import ending
from changeover.postgres.connect import Connection

RESERVED_SCHEMAS = ("_heroku", "_changeover")
ATTEMPTS = 5
LARGE_OBJECTS_AT_ONCE = 1000

OWN_EXTENSIONS = """
SELECT 'EXTENSION', quote_ident(extname) FROM pg_extension WHERE pg_has_role(extowner, 'MEMBER') AND extname <> 'plpgsql'
"""
OWN_SCHEMAS = """
SELECT 'SCHEMA', quote_ident(nspname) FROM pg_namespace
 WHERE pg_has_role(nspowner, 'MEMBER') AND nspname !~ '^pg_' AND nspname <> ALL (%s)
   AND nspname NOT IN ('public', 'information_schema')
"""
IN_PUBLIC = """
SELECT upper(CASE found.type WHEN 'statistics object' THEN 'statistics' WHEN 'composite type' THEN 'type'
                             ELSE found.type END), found.identity
  FROM pg_depend AS inside, LATERAL pg_identify_object(inside.classid, inside.objid, 0) AS found
 WHERE inside.refclassid = 'pg_namespace'::regclass AND inside.refobjid = to_regnamespace('public')
   AND inside.deptype = 'n' AND inside.objsubid = 0 AND inside.classid <> 'pg_default_acl'::regclass
   AND found.type NOT IN ('index', 'toast table', 'extension')
   AND NOT EXISTS (SELECT FROM pg_depend AS member WHERE member.classid = inside.classid
                      AND member.objid = inside.objid AND member.deptype = 'e')
 ORDER BY found.type IN ('view', 'materialized view', 'table', 'foreign table') DESC
"""
OTHERS = """
SELECT 'PUBLICATION', quote_ident(pubname) FROM pg_publication WHERE pg_has_role(pubowner, 'MEMBER')
UNION ALL
SELECT 'SERVER', quote_ident(srvname) FROM pg_foreign_server WHERE pg_has_role(srvowner, 'MEMBER')
"""
LARGE_OBJECTS = """
SELECT count(lo_unlink(oid)) FROM (
    SELECT oid FROM pg_largeobject_metadata WHERE pg_has_role(lomowner, 'MEMBER') LIMIT %s) AS gone
"""


async def empty(connection: Connection, *, reserved: Sequence[str] = RESERVED_SCHEMAS) -> int:
    """End the role's other sessions and drop what it owns. Returns the number of objects dropped by name.

    `connection` is an autocommit connection as the owner. Uses several transactions: one for a database with many tables
    would need more locks than the server has. Raises ServerBusy when another session keeps an object locked.
    """
    await connection.execute("SELECT set_config('lock_timeout', '2s', false)")
    await _end_others(connection)
    dropped = 0
    for listed, values in ((OTHERS, None), (OWN_EXTENSIONS, None), (OWN_SCHEMAS, [list(reserved)]), (IN_PUBLIC, None)):
        found = await (await connection.execute(listed, values)).fetchall()
        for kind, identity in found:
            await _drop(connection, kind, identity)
        dropped += len(found)
    while (await _count(connection, LARGE_OBJECTS, [LARGE_OBJECTS_AT_ONCE])) == LARGE_OBJECTS_AT_ONCE:
        dropped += LARGE_OBJECTS_AT_ONCE
    return dropped


async def _drop(connection: Connection, kind: LiteralString, identity: LiteralString) -> None:
    """`identity` comes quoted from the server's own functions. Also drops dependent objects."""
    statement = sql.SQL("DROP {} IF EXISTS {} CASCADE").format(sql.SQL(kind), sql.SQL(identity))
    for _ in range(ATTEMPTS):
        try:
            await connection.execute(statement)
        except psycopg.errors.LockNotAvailable:
            await _end_others(connection)
        except psycopg.errors.InsufficientPrivilege:
            return  # another role's: the restore reports it if it is in the way
        else:
            return
    raise ServerBusy(
        f"{identity} could not be dropped.", why="Another session holds a lock on it, even after sessions were ended.",
        fix="Stop the app (`changeover ps:scale`), then try again.",
    )  # fmt: skip


async def _end_others(connection: Connection) -> None:
    await ending.end(connection, await ending.own_backends(connection))


async def _count(connection: Connection, query: LiteralString, values: Sequence[object]) -> int:
    row = await (await connection.execute(query, values)).fetchone()
    return int(row[0]) if row else 0
