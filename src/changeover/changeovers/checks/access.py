"""Checks of roles, rights and connected clients on the source."""

from __future__ import annotations

from typing import LiteralString

from changeover.changeovers.checks.finding import Answers, check, failed, named, passed, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.server import hidden, hidden_sessions
from changeover.changeovers.checks.side import Side
from changeover.quantities import counted

ROLES_IN_DEFINITIONS: LiteralString = """
SELECT rolname FROM pg_roles WHERE oid IN (
       SELECT unnest(p.polroles) FROM mine JOIN pg_policy p ON p.polrelid = mine.oid
        UNION ALL SELECT m.umuser FROM pg_user_mappings m WHERE NOT EXISTS (
              SELECT FROM brought WHERE classid = 'pg_foreign_server'::regclass AND objid = m.srvid)) ORDER BY 1"""
"""Roles that CREATE POLICY and CREATE USER MAPPING need. All other definitions work without their roles."""
BOOTSTRAP = ("postgres", "changeover")
"""A server's first role, which is a different one on another server."""


@check("C9", "Row security hides no rows from the login")
async def row_security(look: Look) -> Answers:
    side = look.source
    tables = await side.names("SELECT name FROM mine WHERE relrowsecurity AND row_security_active(oid) ORDER BY 1")
    if tables:
        yield failed(
            f"Row security hides rows of {named(tables)} from {side.identity.login}.",
            "They would be missing on the target, without any error from PostgreSQL.",
            f"ALTER ROLE {quoted(side.identity.login)} BYPASSRLS; or log in as a role that owns them, or a superuser.",
        )


@check("C24", "Roles, their rights and settings")
async def roles(look: Look) -> Answers:
    side = look.source
    superusers = [one.name for one in side.moved_roles if one.is_superuser and one.name not in BOOTSTRAP]
    if superusers:
        yield warning(f"Superusers: {named(superusers)}.", "They become ordinary roles on the target.",
                      f"If necessary, afterwards on the target: ALTER ROLE {quoted(superusers[0])} SUPERUSER;")  # fmt: skip
    special = [
        f"{one.name} ({'replication' if one.may_replicate else 'bypassrls'})"
        for one in side.moved_roles
        if (one.may_replicate or one.bypasses_rls) and not one.is_superuser
    ]
    if special and look.target is not None and not look.target.identity.is_superuser:
        yield warning(f"Roles with special rights: {named(special)}.", "Only a superuser of the target can grant them.",
                      "Create these roles on the target first, if its provider allows it.")  # fmt: skip
    settings = await side.names(
        """SELECT coalesce(r.rolname || ': ', 'database: ') || unnest(s.setconfig)
             FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
            WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1"""
    )
    if settings:
        yield passed(f"Settings of this database, copied if the target allows them: {named(settings)}.")
    names = [role.name for role in side.moved_roles]
    yield passed(f"{counted(len(names), 'role')} that own or use objects here: {named(names)}.")


@check("C26", "No session state that a move would lose")
async def session_state(look: Look) -> Answers:
    users = await look.source.names(
        """SELECT DISTINCT coalesce(nullif(a.application_name, ''), 'a client') || ' (' || a.usename || ')'
             FROM pg_locks l JOIN pg_stat_activity a USING (pid)
            WHERE l.locktype = 'advisory' AND a.datname = current_database() AND a.pid <> pg_backend_pid()
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
    )
    if users:
        yield warning(f"These clients hold advisory locks: {named(users)}.",
                      "They don't exist on the target, where another client could take the same lock.",
                      "Stop the programs that rely on them before the move, and restart them on the target.")  # fmt: skip
    if await hidden_sessions(look):
        yield hidden("Clients that use LISTEN are hidden.", look)
    listeners = await look.source.names(
        """SELECT DISTINCT coalesce(nullif(application_name, ''), 'a client') || ' (' || usename || ')'
             FROM pg_stat_activity WHERE datname = current_database() AND query ~* '^\\s*listen\\s'"""
    )
    if listeners:
        yield warning(f"These clients use LISTEN: {named(listeners)}.",
                      "Notifications of one side are not received on the other.",
                      "They must reconnect and LISTEN again on the target.")  # fmt: skip


@check("C27", "All connected clients are known")
async def clients(look: Look) -> Answers:
    sample = look.sample
    if sample.is_hidden:
        yield hidden("Clients and their addresses are hidden.", look)
    elif sample.clients:
        yield passed(f"{counted(len(sample.clients), 'kind')} of clients must be switched to the target.")
    else:
        yield passed(f"No other client was connected in {sample.sampled_s:g} s.")


@check("C31", "The login may read everything")
async def readable(look: Look) -> Answers:
    side = look.source
    closed = await side.rows(
        """SELECT DISTINCT nspname, quote_ident(nspname) FROM mine WHERE NOT has_schema_privilege(relnamespace, 'USAGE')
             ORDER BY 1 LIMIT 50"""
    )
    login = quoted(side.identity.login)
    for schema, name in closed:
        yield failed(f"{side.identity.login} may not enter the schema {schema}.", "Its objects can't be copied.",
                     f"GRANT USAGE ON SCHEMA {name} TO {login};")  # fmt: skip
    rows = await side.rows(
        """SELECT name, quote_ident(nspname), relkind = 'S' FROM mine
             WHERE CASE WHEN relkind = 'S' THEN NOT has_sequence_privilege(oid, 'SELECT')
                        WHEN relkind IN ('r', 'p', 'm') THEN NOT has_table_privilege(oid, 'SELECT') ELSE false END
             ORDER BY 1"""
    )
    for schema in sorted({schema for _, schema, _ in rows}):
        names = [name for name, where, _ in rows if where == schema]
        kinds = sorted({"SEQUENCES" if is_sequence else "TABLES" for _, where, is_sequence in rows if where == schema})
        yield failed(
            f"{side.identity.login} may not read {named(names)}.",
            "Without this right they can't be copied.",
            " ".join(f"GRANT SELECT ON ALL {kind} IN SCHEMA {schema} TO {login};" for kind in kinds),
        )


HAS_SET_SINCE = 16
_USABLE = {
    False: "SELECT rolname::text FROM pg_roles WHERE pg_has_role(oid, 'MEMBER')",
    True: "SELECT rolname::text FROM pg_roles WHERE pg_has_role(oid, 'SET')",
}
_OWNERS = """
SELECT pg_get_userbyid(c.relowner)::text FROM mine JOIN pg_class c ON c.oid = mine.oid
UNION SELECT pg_get_userbyid(p.proowner) FROM pg_proc p JOIN homes ON homes.oid = p.pronamespace
 WHERE (p.tableoid, p.oid) NOT IN (SELECT classid, objid FROM pg_depend WHERE deptype IN ('e', 'i'))
UNION SELECT pg_get_userbyid(t.typowner) FROM pg_type t JOIN homes ON homes.oid = t.typnamespace
 WHERE (t.tableoid, t.oid) NOT IN (SELECT classid, objid FROM brought) ORDER BY 1"""


@check("T6", "The roles exist on the target, or can be created there", "target")
async def roles_there(look: Look) -> Answers:
    target = look.there
    known = {role.name for role in target.roles}
    missing = [role.name for role in look.source.moved_roles if role.name not in known]
    if not target.identity.is_superuser:
        usable = set(await target.names(_USABLE[target.identity.major >= HAS_SET_SINCE]))
        foreign = [name for name in await look.source.names(_OWNERS) if name in known - usable]
        if foreign:
            login = target.identity.login
            superusers = {role.name for role in target.roles if role.is_superuser}
            grant = f"GRANT {', '.join(quoted(name) for name in foreign if name not in superusers)} TO {quoted(login)};"
            yield warning(
                f"On the target, {login} is not a member of roles that own objects on the source: {named(foreign)}.",
                f"Their objects will belong to {login} there, and owners and rights are not compared.",
                "To avoid this, transfer them to ordinary roles on the source: ALTER TABLE … OWNER TO …;"
                if superusers.issuperset(foreign)
                else f"To avoid this, as a superuser of the target: {grant}",
            )
    needed = await _needed_and_not_made(look, known)
    if needed:
        yield failed(
            f"Roles that policies or user mappings refer to are missing on the target: {named(needed)}.",
            "Policies and user mappings can't be created without them, and the move does not create them: either the target's"
            " login may not, or they belong to the provider or are the first superuser.",
            _created(needed),
        )
    elif missing and may_make_roles(target):
        yield passed(f"{counted(len(missing), 'role')} will be created on the target: {named(missing)}.")
    elif missing:
        yield warning(
            f"Roles are missing on the target: {named(missing)}.",
            f"{target.identity.login} may not create them there: all moved objects will belong to it, and grants are left out.",
            _created(missing) + f" as a superuser, then GRANT them TO {quoted(target.identity.login)};",
        )


async def _needed_and_not_made(look: Look, known: set[str]) -> list[str]:
    source = look.source
    makes = may_make_roles(look.there) and source.provider.keeps_owners
    made = {role.name for role in source.moved_roles} if makes else set[str]()
    return [name for name in await source.names(ROLES_IN_DEFINITIONS) if name not in known | made]


def _created(roles: list[str]) -> str:
    return " ".join(f"CREATE ROLE {quoted(name)};" for name in roles[:5])


def may_make_roles(side: Side) -> bool:
    return side.identity.is_superuser or side.identity.may_create_roles


def quoted(name: str) -> str:
    """As an identifier in a statement for the user."""
    return '"' + name.replace('"', '""') + '"'
