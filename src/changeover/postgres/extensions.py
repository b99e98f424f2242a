"""Creates extensions from a list for the owner of a database, as superuser.

An extension's script runs as superuser and may call what is in its target schema. So it runs only while no other session
is in the database, and only if the schema contains nothing written by the owner or another role.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg import sql

from changeover.errors import ServerBusy
from changeover.postgres import ending
from changeover.postgres.configuration import SUPERUSER
from changeover.postgres.connect import Address, Connection, connect, fetch_row

FOR_OWNERS = frozenset({
    "address_standardizer", "address_standardizer_data_us", "autoinc", "bloom", "earthdistance", "hll", "insert_username",
    "ip4r", "moddatetime", "pg_freespacemap", "pg_stat_statements", "pg_visibility", "pgrouting", "pgrowlocks", "pgstattuple",
    "postgis", "rum", "semver",
})  # fmt: skip
"""They reach no file, program or other server, and give no role a right that it doesn't have.

Deliberately absent: dblink, postgres_fdw and file_fdw, untrusted languages, adminpack, pg_cron, postgis_raster.
"""
ALONE_S = 20.0
ABSENT = """
SELECT name FROM pg_available_extensions JOIN pg_available_extension_versions AS version USING (name)
 WHERE name = ANY(%s) AND installed_version IS NULL AND version.version = default_version
   AND superuser AND NOT trusted ORDER BY name
"""
NOT_WANTED = """
SELECT e.extname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extowner = 10 AND e.extname NOT IN ('plpgsql', 'pg_stat_statements')
   AND (e.extname = ANY(%(for_owners)s) OR EXISTS (SELECT FROM pg_available_extension_versions AS version
         WHERE version.name = e.extname AND version.version = e.extversion AND version.trusted))
   AND NOT EXISTS (SELECT FROM unnest(%(names)s::text[], %(schemas)s::text[]) AS wanted (name, schema)
                    WHERE wanted.name = e.extname AND wanted.schema = n.nspname)
 ORDER BY e.oid DESC
"""
"""Extensions that we created for an earlier content, or their dependencies; dependents first. 10: our superuser."""
WRITTEN_BY_OTHERS = """
SELECT EXISTS (SELECT FROM pg_proc WHERE proowner <> 10) OR EXISTS (SELECT FROM pg_operator WHERE oprowner <> 10)
"""
"""10: the superuser that created the server, which is ours. Includes members of extensions, because the owner of a
trusted extension can add functions to it (ALTER EXTENSION … ADD).
"""

FORMER_LIMIT = sql.Identifier("changeover", "connection_limit")
REMEMBERED = """
SELECT former.value FROM pg_db_role_setting, LATERAL unnest(setconfig) AS setting,
       LATERAL substring(setting FROM '^changeover\\.connection_limit=(-1|[0-9]{1,6})$') AS former (value)
 WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND former.value IS NOT NULL
"""


async def make_for_owner(address: Address, database: str, owner: str, wanted: Mapping[str, str]) -> list[str]:
    """Create the wanted extensions (name to schema) that are listed, available and missing. Returns those created.

    First drops extensions that are not wanted, or not in that schema, if nothing depends on them. Ends all other sessions
    of the database when there is something to do. Creates nothing if the database contains functions written by
    non-superusers. Raises ServerBusy, ServerUnreachable.
    """
    async with connect(address, database=database, timeout_s=300) as connection:
        not_wanted = await _not_wanted(connection, wanted)
        if not not_wanted and not await _absent(connection, wanted):
            return []
        async with _alone(connection, database):
            for name in not_wanted:
                with suppress(psycopg.errors.DependentObjectsStillExist):
                    await connection.execute(sql.SQL("DROP EXTENSION IF EXISTS {}").format(sql.Identifier(name)))
            absent = await _absent(connection, wanted)
            (is_unsafe,) = await (await connection.execute(WRITTEN_BY_OTHERS)).fetchone() or (True,)
            if is_unsafe:
                return []
            for name in absent:
                await _make(connection, name, wanted[name], owner)
    return absent


async def _absent(connection: Connection, wanted: Mapping[str, str]) -> list[str]:
    found = await connection.execute(ABSENT, [sorted(FOR_OWNERS & wanted.keys())])
    return [name for (name,) in await found.fetchall()]


async def _not_wanted(connection: Connection, wanted: Mapping[str, str]) -> list[str]:
    names, schemas = list(wanted), list(wanted.values())
    found = await connection.execute(NOT_WANTED, {"for_owners": sorted(FOR_OWNERS), "names": names, "schemas": schemas})
    return [name for (name,) in await found.fetchall()]


async def _make(connection: Connection, name: str, schema: str, owner: str) -> None:
    place = sql.Identifier(schema)
    statement = sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}")
    await connection.execute(statement.format(place, sql.Identifier(owner)))
    await connection.execute(
        sql.SQL("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {} CASCADE").format(sql.Identifier(name), place)
    )


@asynccontextmanager
async def _alone(connection: Connection, database: str) -> AsyncIterator[None]:
    """Connection limit 0 refuses everybody but superusers. A killed call is repeated, and restores the original limit."""
    await _close(connection, database)
    try:
        deadline = time.monotonic() + ALONE_S
        while True:
            arriving = await ending.arriving(
                connection
            )  # query this first: a session that arrives later is listed below
            others = await ending.client_backends(connection, database, but_of=SUPERUSER)
            if not others and not arriving:
                break
            await ending.end(connection, others)
            if time.monotonic() > deadline:
                raise ServerBusy(
                    f"The extensions for {database} can't be created.",
                    why=f"{len(others) or len(arriving)} sessions in it could not be ended.",
                    fix="Close the sessions in the database, then try again.",
                )
            await asyncio.sleep(0.02)
        yield
    finally:
        await _open_again(connection, database)


async def _close(connection: Connection, database: str) -> None:
    """Save the owner's connection limit in a setting of the database, unless a killed call already has."""
    async with connection.transaction():
        if await _former_limit(connection) is None:
            [limit] = await fetch_row(
                connection, "SELECT datconnlimit FROM pg_database WHERE datname = current_database()"
            )
            await connection.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    sql.Identifier(database), FORMER_LIMIT, sql.Literal(str(limit))
                )
            )
        await _limit(connection, database, 0)


async def _open_again(connection: Connection, database: str) -> None:
    async with connection.transaction():
        former = await _former_limit(connection)
        if former is None:  # another call already did it
            return
        await _limit(connection, database, former)
        await connection.execute(sql.SQL("ALTER DATABASE {} RESET {}").format(sql.Identifier(database), FORMER_LIMIT))


async def _former_limit(connection: Connection) -> int | None:
    """The owner can write this setting too, so a value that is not a limit counts as none."""
    found = await (await connection.execute(REMEMBERED)).fetchone()
    return int(found[0]) if found else None


async def _limit(connection: Connection, database: str, limit: int) -> None:
    statement = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}")
    await connection.execute(statement.format(sql.Identifier(database), sql.Literal(limit)))
