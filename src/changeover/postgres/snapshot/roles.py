"""Creates the roles that the database's objects and rights refer to, with their password verifiers, if the target lacks them.

A role that the target already has stays unchanged, because other databases there use it too. Differences are reported.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import psycopg
from psycopg import sql

from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.location import Location
from changeover.postgres.snapshot.ledger import Ledger
from changeover.postgres.snapshot.memberships import bring_memberships
from changeover.postgres.snapshot.parameters import missing_rights_on_parameters
from changeover.postgres.snapshot.sessions import is_lost, one_line
from changeover.postgres.snapshot.settings import HELD_BY, Setting, try_setting

NAMED: Final = """
WITH RECURSIVE this AS (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()), used AS (
    SELECT s.refobjid AS oid FROM pg_catalog.pg_shdepend s, this
     WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass
       AND (s.dbid = this.oid OR (s.classid = 'pg_catalog.pg_database'::regclass AND s.objid = this.oid))
    UNION SELECT setrole FROM pg_catalog.pg_db_role_setting, this WHERE setdatabase = this.oid AND setrole <> 0
), below AS (
    SELECT oid FROM used UNION SELECT m.member FROM below b JOIN pg_catalog.pg_auth_members m ON m.roleid = b.oid
), above AS (
    SELECT oid FROM below UNION SELECT m.roleid FROM above a JOIN pg_catalog.pg_auth_members m ON m.member = a.oid
)
SELECT r.oid::bigint, r.rolname::text, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
       r.rolreplication, r.rolbypassrls, r.rolconnlimit, r.rolvaliduntil::text,
       pg_catalog.shobj_description(r.oid, 'pg_authid'),
       (SELECT setconfig FROM pg_catalog.pg_db_role_setting s WHERE s.setrole = r.oid AND s.setdatabase = 0)
  FROM above JOIN pg_catalog.pg_roles r USING (oid)
 WHERE r.oid <> 10 AND r.rolname !~ '^pg_' ORDER BY r.rolname
"""
"""Owners, grantees, their members, and the groups of all these. Not the bootstrap superuser or predefined roles."""
THERE: Final = """
SELECT r.oid::bigint, r.rolname::text, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
       r.rolreplication, r.rolbypassrls, r.rolconnlimit, r.rolvaliduntil::text,
       pg_catalog.shobj_description(r.oid, 'pg_authid'),
       (SELECT setconfig FROM pg_catalog.pg_db_role_setting s WHERE s.setrole = r.oid AND s.setdatabase = 0)
  FROM pg_catalog.pg_roles r WHERE r.rolname = ANY(%s)
"""


@dataclass(frozen=True)
class Role:
    """A role of the source."""

    oid: int
    name: str
    is_superuser: bool
    inherits: bool
    creates_roles: bool
    creates_databases: bool
    can_login: bool
    replicates: bool
    bypasses_rls: bool
    connection_limit: int
    valid_until: str | None
    comment: str | None
    settings: list[str] | None
    """Settings for all databases of the server."""

    def differing(self, other: Role) -> list[str]:
        """What differs for the same role on another server, in words. Passwords can't be compared."""
        said = {"is_superuser": "SUPERUSER", "inherits": "INHERIT", "creates_roles": "CREATEROLE",
                "creates_databases": "CREATEDB", "can_login": "LOGIN", "replicates": "REPLICATION",
                "bypasses_rls": "BYPASSRLS", "connection_limit": "CONNECTION LIMIT", "valid_until": "VALID UNTIL",
                "comment": "comment"}  # fmt: skip
        words = [
            f"{word} {getattr(self, name)} on the source and {getattr(other, name)} on the target"
            for name, word in said.items()
            if getattr(self, name) != getattr(other, name)
        ]
        missing = sorted(set(self.settings or ()) - set(other.settings or ()))
        return words + [f"setting {one} is missing on the target" for one in missing]


@dataclass
class Roles:
    """The result of creating roles."""

    is_superuser: bool = False
    """Whether the target's role is a superuser."""
    known: set[str] = field(default_factory=set)
    """Roles that can own objects on the target."""
    made: list[str] = field(default_factory=list)
    without_password: list[str] = field(default_factory=list)
    """Created without a password, so they can't log in until they get one."""
    notes: list[str] = field(default_factory=list)


async def bring_roles(
    source: Connection, target: Connection, location: Location, ledger: Ledger, skip_roles: Collection[str]
) -> Roles:
    """Create missing roles. Existing roles stay unchanged. Reads the source in its caller's transaction."""
    found = [Role(*row) for row in await (await source.execute(NAMED)).fetchall()]
    roles = [role for role in found if role.name not in skip_roles]
    verifiers = await _verifiers(source, roles)
    came = Roles()
    rows = await (await target.execute(THERE, [[role.name for role in roles]])).fetchall()
    there = {role.name: role for role in (Role(*row) for row in rows)}
    for role in roles:
        if role.name not in there:
            if not await _make(target, ledger, role, verifiers, came):
                came.notes.append(
                    f"Role {role.name} could not be created. Its objects belong to the target's own role."
                )
        elif not ledger.has("role", role.name) and (words := role.differing(there[role.name])):
            came.notes.append(f"Role {role.name} already exists on the target and stays unchanged: {'; '.join(words)}.")
    for facts in ledger.of("role").values():
        came.notes += facts.get("notes", ())
    made = set(ledger.of("role"))
    came.made = sorted(made)
    came.without_password = sorted(
        role.name for role in roles if role.name in made and role.can_login and not verifiers.get(role.name)
    )
    for role in roles:
        if role.name in made:
            await _set(target, location, role, came)
    came.notes += await bring_memberships(source, target, ledger, {role.name for role in roles})
    came.notes += await missing_rights_on_parameters(source, target, {role.name for role in roles})
    (came.is_superuser,) = await fetch_row(
        target, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
    )
    came.known = await _usable(target)
    return came


async def _verifiers(source: Connection, roles: list[Role]) -> dict[str, str | None]:
    """If they may be read. Most providers forbid it."""
    (may,) = await fetch_row(source, "SELECT has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT')")
    if not may:
        return {}
    found = await source.execute(
        "SELECT rolname::text, rolpassword FROM pg_catalog.pg_authid WHERE rolname = ANY(%s)", [[r.name for r in roles]]
    )
    return dict(await found.fetchall())


async def _make(target: Connection, ledger: Ledger, role: Role, verifiers: dict[str, str | None], came: Roles) -> bool:
    """With all attributes if possible, otherwise with fewer. False if the role can't be created at all."""
    notes = (
        [f"Role {role.name} is a superuser on the source and was created as an ordinary role."]
        if role.is_superuser
        else []
    )
    refusals: list[str] = []
    for is_full in (True, False):
        said = [*refusals, *notes]
        try:
            async with target.transaction():
                await target.execute(_create(role, verifiers.get(role.name), is_full=is_full))
                await _describe(target, role)
                await ledger.note(target, "role", role.name, notes=said)
        except psycopg.Error as refused:
            if is_lost(refused):
                raise
            refusals.append(f"Role {role.name}: {one_line(refused)}")
            continue
        ledger.confirm("role", role.name, notes=said)
        return True
    came.notes += refusals
    return False


def _create(role: Role, verifier: str | None, *, is_full: bool) -> sql.Composed:
    """Never a superuser. Unless `is_full`, only with attributes that any role with CREATEROLE may set."""
    words = ["LOGIN" if role.can_login else "NOLOGIN", "INHERIT" if role.inherits else "NOINHERIT"]
    if is_full:
        rights = {"CREATEROLE": role.creates_roles, "CREATEDB": role.creates_databases,
                  "REPLICATION": role.replicates, "BYPASSRLS": role.bypasses_rls}  # fmt: skip
        words += [word for word, has in rights.items() if has]
    parts: list[sql.Composable] = [sql.SQL(word) for word in words]
    parts.append(sql.SQL("CONNECTION LIMIT {}").format(sql.Literal(role.connection_limit)))
    if role.valid_until is not None:
        parts.append(sql.SQL("VALID UNTIL {}").format(sql.Literal(role.valid_until)))
    if verifier and is_full:
        parts.append(sql.SQL("PASSWORD {}").format(sql.Literal(verifier)))
    return sql.SQL("CREATE ROLE {} WITH {}").format(sql.Identifier(role.name), sql.SQL(" ").join(parts))


async def _describe(target: Connection, role: Role) -> None:
    if role.comment is not None:
        statement = sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(role.name), sql.Literal(role.comment))
        await target.execute(statement)


async def _set(target: Connection, location: Location, role: Role, came: Roles) -> None:
    """Its settings for all databases. Each separately, because a setting unknown to this version must not fail the role."""
    whom = sql.SQL("ROLE {}").format(sql.Identifier(role.name))
    for text in role.settings or ():
        setting = Setting.of(role.name, text)
        if setting.name.lower() in HELD_BY:
            came.notes.append(f"{setting.says} is not copied: the target must be writable.")
        elif why := await try_setting(target, location, whom, setting):
            came.notes.append(f"{setting.says} is not copied: {why}")


async def _usable(target: Connection) -> set[str]:
    """The roles that the target's role can transfer objects to. It joins the roles it created."""
    right = "SET" if target.info.server_version >= 160000 else "MEMBER"
    outside = await target.execute(
        "SELECT r.rolname::text FROM pg_catalog.pg_roles r JOIN _changeover.done d ON d.kind = 'role' AND d.name = r.rolname"
        " WHERE NOT pg_has_role(r.oid, %s)",
        [right],
    )
    for (name,) in await outside.fetchall():
        await target.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(name)))
    found = await target.execute("SELECT rolname::text FROM pg_catalog.pg_roles WHERE pg_has_role(oid, %s)", [right])
    return {name for (name,) in await found.fetchall()}
