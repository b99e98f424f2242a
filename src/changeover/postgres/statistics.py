"""Lets the owner of a database reset pg_stat_statements, through a function of ours that runs as superuser.

The owner owns schema public, where pg_stat_statements is, and could create a function with the same name there. So our
function is bound to the extension's own when it is created (BEGIN ATOMIC), by exact signature, and dropped with it.
"""

from __future__ import annotations

from typing import LiteralString

from psycopg import sql

from changeover.postgres.connect import Address, Connection, connect

BOUND_SINCE = 140000
"""The first version that parses SQL bodies when the function is created."""
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
"""Resets only this database's statistics, which the owner may do even on a shared server."""
UNBOUND = """
SELECT rolname FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace, pg_roles
 WHERE nspname = '_heroku' AND proname = 'pg_stat_statements_reset' AND prolang <> 14
   AND has_function_privilege(pg_roles.oid, pg_proc.oid, 'EXECUTE') AND NOT rolsuper
"""
"""Who may call the function of an older version, which looks its target up by name. 14: the language SQL."""
ENTERED = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> 'postgres'"


async def let_reset(connection: Connection, *roles: str) -> None:
    """Replace the function of an older version. Creates none without the extension or on an old server."""
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
    """In every database of a server that an older version created. Raises ServerUnreachable."""
    async with connect(address) as connection:
        databases = [name for (name,) in await (await connection.execute(ENTERED)).fetchall()]
    for database in databases:
        async with connect(address, database=database) as connection:
            if roles := [name for (name,) in await (await connection.execute(UNBOUND)).fetchall()]:
                await let_reset(connection, *roles)
