"""One server for the checks: a read-only session, and facts that are read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import TupleRow, class_row, dict_row

from changeover.changeovers.checks.providers import Provider, Signs, provider_of, settings_to_ask, values_to_ask
from changeover.postgres.connect import Connection
from changeover.postgres.location import Location

Row = TypeVar("Row")
OURS = "_changeover"
"""The schema of our ledger on a target. Never moved."""
_MADE_BY_PEOPLE: LiteralString = """
WITH homes AS (
    SELECT oid, nspname FROM pg_namespace
     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND nspname <> ALL (%(reserved)s)
), brought AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), mine AS (
    SELECT c.oid, c.relname, c.relkind, c.relpersistence, c.relpages, c.reltuples, c.relnamespace, c.reltablespace,
           c.relrowsecurity, c.relispopulated, n.nspname, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
      FROM pg_class c JOIN homes n ON n.oid = c.relnamespace
     WHERE NOT EXISTS (SELECT FROM brought WHERE classid = 'pg_class'::regclass AND objid = c.oid)
)"""
"""Comes before every query. `homes`: the schemas to move; `brought`: members of extensions; `mine`: every relation to move, with
its quoted `name`. PostgreSQL does not run what a query doesn't use."""

_IDENTITY: LiteralString = """
SELECT current_setting('server_version_num')::int AS version_num, split_part(version(), ' on ', 1) AS version,
       version() ~ '32-bit' AS is_32_bit, current_database() AS database, current_user::text AS login,
       pg_is_in_recovery() AS is_in_recovery,
       pg_postmaster_start_time() AS started_at, pg_database_size(current_database()) AS size_bytes,
       pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS "collate", d.datctype AS ctype,
       coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS locale_provider,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', '') AS locale,
       d.datconnlimit AS connection_limit, age(d.datfrozenxid) AS age, d.datdba = me.oid AS owns_database,
       me.rolsuper AS is_superuser, me.rolcreaterole AS may_create_roles, me.rolbypassrls AS bypasses_rls,
       me.rolconnlimit AS login_limit
  FROM pg_database d, pg_roles me
 WHERE d.datname = current_database() AND me.rolname = current_user"""
_SYSTEM: LiteralString = "SELECT system_identifier::text FROM pg_control_system()"
_SETTINGS: LiteralString = """
SELECT name, coalesce(setting, '') AS setting, coalesce(unit, '') AS unit, coalesce(reset_val, '') AS reset_value,
       CASE source WHEN 'session' THEN coalesce(carried.by, 'default') ELSE source END AS source, context, category,
       short_desc AS says
  FROM pg_settings LEFT JOIN LATERAL (
       SELECT CASE WHEN setrole = 0 THEN 'database' WHEN setdatabase = 0 THEN 'user' ELSE 'database user' END AS by
         FROM pg_db_role_setting, unnest(setconfig) AS one
        WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
          AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))
          AND lower(split_part(one, '=', 1)) = lower(name)
        ORDER BY setdatabase <> 0 AND setrole <> 0 DESC, setrole <> 0 DESC LIMIT 1) AS carried ON true
 ORDER BY name"""
"""For settings that our own session has changed, the source is that of a new session."""
_ROLES: LiteralString = """
SELECT r.rolname AS name, r.rolsuper AS is_superuser, r.rolcreaterole AS may_create_roles, r.rolcreatedb AS may_create_databases,
       r.rolreplication AS may_replicate, r.rolbypassrls AS bypasses_rls, r.rolcanlogin AS may_log_in,
       EXISTS (SELECT FROM pg_shdepend s
                WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid
                  AND (s.dbid = d.oid OR s.classid = 'pg_database'::regclass AND s.objid = d.oid)) AS is_used_here,
       pg_has_role(current_user, r.oid, 'member') AS is_mine
  FROM pg_roles r, pg_database d
 WHERE d.datname = current_database() ORDER BY r.rolname"""
_NAMES: LiteralString = """
SELECT 'database', datname::text FROM pg_database WHERE NOT datistemplate
UNION ALL SELECT 'schema', nspname FROM pg_namespace
UNION ALL SELECT 'function', proname FROM pg_proc WHERE proname IN ('aurora_version', 'citus_version')
   AND pronamespace = 'pg_catalog'::regnamespace GROUP BY proname"""
_EXTENSIONS: LiteralString = """
SELECT e.extname AS name, e.extversion AS version, n.nspname AS schema
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace ORDER BY 1"""

SECRET_SETTINGS = frozenset(
    {"primary_conninfo", "ssl_passphrase_command", "archive_command", "restore_command", "recovery_end_command",
     "archive_cleanup_command"}
)  # fmt: skip
"""May contain a password, so they are never shown or compared."""


@dataclass(frozen=True)
class Identity:
    """Facts about the server and our session. `system_identifier` is None if the login may not read it."""

    version_num: int
    version: str
    is_32_bit: bool
    database: str
    login: str
    is_in_recovery: bool
    started_at: datetime
    size_bytes: int
    encoding: str
    collate: str
    ctype: str
    locale_provider: str
    locale: str
    connection_limit: int
    age: int
    owns_database: bool
    is_superuser: bool
    may_create_roles: bool
    bypasses_rls: bool
    login_limit: int
    system_identifier: str | None
    has_tls: bool
    """Of our connection. A pooler may continue without TLS."""
    address: str | None
    """The address that we connected to, which may differ from the one that the server sees. None for a socket."""

    @property
    def major(self) -> int:
        return self.version_num // 10_000


@dataclass(frozen=True)
class Setting:
    """A row of pg_settings. `reset_value` is the value in a new session of this login, in `unit`."""

    name: str
    setting: str
    unit: str
    reset_value: str
    source: str
    context: str
    category: str
    says: str

    @property
    def comes_along(self) -> bool:
        """It is set for this database or a role, and will be copied to the target."""
        return self.source in ("database", "user", "database user")

    @property
    def number(self) -> float:
        return float(self.reset_value)


@dataclass(frozen=True)
class Role:
    name: str
    is_superuser: bool
    may_create_roles: bool
    may_create_databases: bool
    may_replicate: bool
    bypasses_rls: bool
    may_log_in: bool
    is_used_here: bool
    """It owns objects or has rights in this database."""
    is_mine: bool
    """Our login is this role or a member of it."""


@dataclass(frozen=True)
class Extension:
    name: str
    version: str
    schema: str


@dataclass(frozen=True)
class Side:
    """One open server. Its facts are read once and don't change during the check."""

    name: str
    """`source` or `target`."""
    location: Location
    connection: Connection
    identity: Identity
    settings: Mapping[str, Setting]
    roles: tuple[Role, ...]
    extensions: tuple[Extension, ...]
    databases: frozenset[str]
    schemas: frozenset[str]
    provider: Provider
    reserved: frozenset[str] = field(default=frozenset())
    """Schemas that are never moved: the provider's and our own."""

    async def rows(self, query: LiteralString, **values: Any) -> list[TupleRow]:
        """The rows of a SELECT, which may use `homes`, `brought`, `mine` and %(reserved)s."""
        answer = await self.connection.execute(
            f"{_MADE_BY_PEOPLE} {query}", {"reserved": sorted(self.reserved), **values}
        )
        return await answer.fetchall()

    async def names(self, query: LiteralString, **values: Any) -> list[str]:
        """The values of the first column."""
        return [str(row[0]) for row in await self.rows(query, **values)]

    @property
    def moved_extensions(self) -> list[Extension]:
        """Those that the target must have. Without PL/pgSQL, which every server has, and the provider's own."""
        return [
            one for one in self.extensions if one.name != "plpgsql" and one.name not in self.provider.skip_extensions
        ]

    @property
    def moved_roles(self) -> list[Role]:
        """Those that own objects or have rights here, without the provider's and the system's."""
        return [one for one in self.roles if one.is_used_here and not self.provider.reserves_role(one.name)]

    def number(self, name: str) -> float:
        """A setting's value in a new session, in its own unit. 0 if this version doesn't have it."""
        return self.settings[name].number if name in self.settings else 0.0

    def value(self, name: str) -> str:
        return self.settings[name].reset_value if name in self.settings else ""


async def open_side(name: str, location: Location, connection: Connection) -> Side:
    """Read the server's facts with ten small queries."""
    identity = await _identity(connection)
    settings = await _all(connection, Setting, _SETTINGS)
    roles = await _all(connection, Role, _ROLES)
    extensions = await _all(connection, Extension, _EXTENSIONS)
    names = await (await connection.execute(_NAMES)).fetchall()
    by_kind = {
        kind: frozenset(str(row[1]) for row in names if row[0] == kind) for kind in ("database", "schema", "function")
    }
    signs = Signs(
        host=location.host,
        roles=frozenset(role.name for role in roles),
        settings=(defined := frozenset(setting.name for setting in settings)),
        set_settings=await _placeholders(connection) - defined,
        values={one.name: one.setting for one in settings if one.name in values_to_ask()},
        databases=by_kind["database"], schemas=by_kind["schema"], functions=by_kind["function"],
        extension_schemas={one.name: one.schema for one in extensions}, database=identity.database,
    )  # fmt: skip
    provider = provider_of(signs)
    return Side(
        name, location, connection, identity, {one.name: one for one in settings}, tuple(roles), tuple(extensions),
        by_kind["database"], by_kind["schema"], provider, frozenset(provider.skip_schemas) | {OURS},
    )  # fmt: skip


async def _identity(connection: Connection) -> Identity:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_IDENTITY)
        (row,) = await cursor.fetchall()
    try:
        found = await (await connection.execute(_SYSTEM)).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        found = None
    return Identity(
        **row,
        system_identifier=found[0] if found else None,
        has_tls=bool(connection.pgconn.ssl_in_use),
        address=connection.info.hostaddr or None,
    )


async def _all(connection: Connection, kind: type[Row], query: LiteralString) -> list[Row]:
    async with connection.cursor(row_factory=class_row(kind)) as cursor:
        await cursor.execute(query)
        return await cursor.fetchall()


async def _placeholders(connection: Connection) -> frozenset[str]:
    """Those of the providers' settings that exist. pg_settings does not list all of them."""
    known = "SELECT name FROM unnest(%s::text[]) name WHERE current_setting(name, true) IS NOT NULL"
    return frozenset(row[0] for row in await (await connection.execute(known, [settings_to_ask()])).fetchall())
