"""Lets the owner of a database reset its statistics of statements, by a function of ours that runs as superuser.

The owner owns schema public, where pg_stat_statements lives, and could put a function of the same name there. So ours is
bound to the extension's own function when it is made (BEGIN ATOMIC), by its exact signature, and is dropped with it.
"""

from __future__ import annotations

from typing import LiteralString

from psycopg import sql

from changeover.postgres.connect import Address, Connection, connect

BOUND_SINCE = 140000
"""SQL bodies that are parsed when the function is made."""
OF_THE_EXTENSION = """
SELECT nspname, ARRAY(SELECT argument::regtype::text FROM unnest(proargtypes) AS argument)
  FROM pg_depend JOIN pg_proc ON pg_proc.oid = objid JOIN pg_namespace ON pg_namespace.oid = pronamespace
 WHERE classid = 'pg_proc'::regclass AND refclassid = 'pg_extension'::regclass AND deptype = 'e'
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_stat_statements')
   AND proname = 'pg_stat_statements_reset' AND proretset = false
"""
RESET: LiteralString = """
CREATE FUNCTION _heroku.pg_stat_statements_reset() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    SELECT {}(0::oid, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()), 0::bigint{});
END
"""
"""Only this database's statistics: what the owner may reset even on a server that others share."""
UNBOUND = """
SELECT rolname FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace, pg_roles
 WHERE nspname = '_heroku' AND proname = 'pg_stat_statements_reset' AND prolang <> 14
   AND has_function_privilege(pg_roles.oid, pg_proc.oid, 'EXECUTE') AND NOT rolsuper
"""
"""Who may call the function that an older version made, which looks its target up by name. 14: the language SQL."""
ENTERED = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> 'postgres'"


async def let_reset(connection: Connection, *roles: str) -> None:
    """Replaces a function that an older version made. Without the extension, or on an old server, there is none."""
    async with connection.transaction():
        await connection.execute("DROP FUNCTION IF EXISTS _heroku.pg_stat_statements_reset()")
        found = await (await connection.execute(OF_THE_EXTENSION)).fetchall()
        if len(found) != 1 or connection.info.server_version < BOUND_SINCE:
            return
        schema, arguments = found[0]
        further = "".join(f", NULL::{one}" if one != "boolean" else ", false" for one in arguments[3:])
        function = sql.Identifier(schema, "pg_stat_statements_reset")
        await connection.execute(sql.SQL(RESET).format(function, sql.SQL(further)))
        await connection.execute("REVOKE ALL ON FUNCTION _heroku.pg_stat_statements_reset() FROM PUBLIC")
        for role in roles:
            grant = sql.SQL("GRANT EXECUTE ON FUNCTION _heroku.pg_stat_statements_reset() TO {}")
            await connection.execute(grant.format(sql.Identifier(role)))


async def bind(address: Address) -> None:
    """In every database of a server that an older version made. Raises ServerUnreachable."""
    async with connect(address) as connection:
        databases = [name for (name,) in await (await connection.execute(ENTERED)).fetchall()]
    for database in databases:
        async with connect(address, database=database) as connection:
            if roles := [name for (name,) in await (await connection.execute(UNBOUND)).fetchall()]:
                await let_reset(connection, *roles)
