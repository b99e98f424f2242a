"""Queries for facts that a pg_dump schema lacks, as rows of (title, fact, value): `database`, `connection limit`, `10`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from changeover.postgres import extension_members
from changeover.postgres.comparing.relations import SYSTEM

HELD_BY: Final = "default_transaction_read_only"
"""Set by a migration to hold the source's writers, so not compared as a property of the database."""


@dataclass(frozen=True)
class FactQuery:
    """One query; its parameters are %(skip_schemas)s and %(extensions)s."""

    sql: str
    since: int = 0
    """The first major version that has these catalogs."""
    until: int = 99
    is_secret: bool = False
    """Never show the values, because a setting may be a password."""


THIS: Final = "this AS (SELECT * FROM pg_database WHERE datname = current_database())"
OWN: Final = f"NOT {SYSTEM} AND n.nspname <> ALL (%(skip_schemas)s)"
NAME: Final = "split_part(s.setting, '=', 1)"
VALUE: Final = "substr(s.setting, strpos(s.setting, '=') + 1)"
USED_ROLES: Final = f"""
WITH RECURSIVE {THIS}, used AS (
    SELECT s.refobjid AS oid FROM pg_shdepend s, this WHERE s.refclassid = 'pg_authid'::regclass
       AND (s.dbid = this.oid OR (s.classid = 'pg_database'::regclass AND s.objid = this.oid))
    UNION SELECT setrole FROM pg_db_role_setting, this WHERE setdatabase = this.oid AND setrole <> 0
), below AS (
    SELECT oid FROM used UNION SELECT m.member FROM below b JOIN pg_auth_members m ON m.roleid = b.oid
), above AS (
    SELECT oid FROM below UNION SELECT m.roleid FROM above a JOIN pg_auth_members m ON m.member = a.oid
)
SELECT 'role ' || r.rolname FROM above JOIN pg_roles r USING (oid)"""  # noqa: S608 - constants of ours
"""Titles of roles that own something in the database or have rights there, of their members and of their groups."""
ROLE: Final = f"{THIS}, role AS (SELECT * FROM pg_roles WHERE oid <> 10 AND rolname !~ '^pg_')"  # noqa: S608
"""All roles except the bootstrap superuser and PostgreSQL's predefined roles."""

OWNERSHIP: Final = tuple(map(FactQuery, (
    f"WITH {THIS} SELECT 'database', 'owner', pg_get_userbyid(datdba)::text FROM this",  # noqa: S608
    f"""WITH {THIS}
SELECT 'database', 'rights of ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END,
       string_agg(a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END, ', ' ORDER BY a.privilege_type)
  FROM this, aclexplode(coalesce(datacl, acldefault('d', datdba))) a GROUP BY a.grantee
""",  # noqa: S608
)))  # fmt: skip
DATABASE: Final = (
    FactQuery(f"""WITH {THIS}
SELECT 'database', f.fact, f.value
  FROM this, LATERAL (VALUES ('connection limit', datconnlimit::text), ('comment', shobj_description(oid, 'pg_database')))
       AS f (fact, value)
"""),  # noqa: S608
    FactQuery(f"""WITH {THIS}
SELECT 'database', 'setting ' || {NAME}, {VALUE}
  FROM this, pg_db_role_setting d, unnest(d.setconfig) AS s (setting)
 WHERE d.setdatabase = this.oid AND d.setrole = 0 AND {NAME} <> '{HELD_BY}'
""", is_secret=True),  # noqa: S608
)  # fmt: skip
ROLES: Final = (
    FactQuery(f"""WITH {ROLE}
SELECT 'role ' || rolname, f.fact, f.value
  FROM role, LATERAL (VALUES ('superuser', rolsuper::text), ('login', rolcanlogin::text), ('inherit', rolinherit::text),
       ('createrole', rolcreaterole::text), ('createdb', rolcreatedb::text), ('replication', rolreplication::text),
       ('bypassrls', rolbypassrls::text), ('connection limit', rolconnlimit::text),
       ('valid until', extract(epoch FROM rolvaliduntil)::text), ('comment', shobj_description(oid, 'pg_authid')))
       AS f (fact, value)
"""),  # noqa: S608
    FactQuery(f"""WITH {ROLE}
SELECT 'role ' || r.rolname, CASE d.setdatabase WHEN 0 THEN 'setting ' ELSE 'setting in this database ' END || {NAME}, {VALUE}
  FROM this, role r JOIN pg_db_role_setting d ON d.setrole = r.oid, unnest(d.setconfig) AS s (setting)
 WHERE d.setdatabase IN (0, this.oid) AND {NAME} <> '{HELD_BY}'
""", is_secret=True),  # noqa: S608
    FactQuery(f"""WITH {ROLE}
SELECT 'role ' || r.rolname, 'membership in ' || g.rolname, concat('ADMIN ', bool_or(m.admin_option)::text,
       ', INHERIT ', bool_or(coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, r.rolinherit))::text,
       ', SET ', bool_or(coalesce((to_jsonb(m) ->> 'set_option')::boolean, true))::text)
  FROM role r JOIN pg_auth_members m ON m.member = r.oid JOIN pg_roles g ON g.oid = m.roleid GROUP BY 1, 2
"""),  # noqa: S608
)  # fmt: skip
REPLICATION: Final = (  # options of newer major versions count as defaults on older ones
    FactQuery("""
SELECT 'publication ' || pubname, f.fact, f.value
  FROM pg_publication p, LATERAL (VALUES ('all tables', puballtables::text), ('options', ('{"pubviaroot": false,
       "pubgencols": "n", "puballsequences": false}' || to_jsonb(p) - ARRAY['oid', 'pubname', 'pubowner', 'puballtables'])::text),
       ('comment', obj_description(p.oid, 'pg_publication'))) AS f (fact, value)
"""),
    FactQuery("""
SELECT 'publication ' || pubname, format('table %%I.%%I', schemaname, tablename), 'there' FROM pg_publication_tables
 WHERE schemaname <> ALL (%(skip_schemas)s)
"""),
    FactQuery("""
SELECT 'publication ' || p.pubname, f.fact || format(' of %%I.%%I', n.nspname, c.relname), f.value
  FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace, LATERAL (VALUES ('rows', pg_get_expr(r.prqual, r.prrelid)), ('columns', (
       SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs::int2[])))) AS f (fact, value)
 WHERE n.nspname <> ALL (%(skip_schemas)s)
UNION ALL SELECT 'publication ' || p.pubname, format('schema %%I', n.nspname), 'there' FROM pg_publication_namespace r
  JOIN pg_publication p ON p.oid = r.pnpubid JOIN pg_namespace n ON n.oid = r.pnnspid WHERE n.nspname <> ALL (%(skip_schemas)s)
""", since=15),
    FactQuery("""
SELECT 'subscription ' || s.subname, f.fact, f.value
  FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid, LATERAL (VALUES ('enabled', s.subenabled::text),
       ('publications', s.subpublications::text), ('slot', s.subslotname::text),
       ('comment', obj_description(s.oid, 'pg_subscription'))) AS f (fact, value)
 WHERE d.datname = current_database()
"""),
)  # fmt: skip
RELATIONS: Final = tuple(map(FactQuery, (
    f"""
SELECT format('table %%s.%%s', n.nspname, c.relname), 'access method', a.amname::text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
 WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' AND a.amname <> 'heap' AND {OWN}
""",  # noqa: S608
    f"""
SELECT format('table %%s.%%s', n.nspname, c.relname), 'order of columns',
       (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT c.relispartition AND c.oid IN (SELECT inhrelid FROM pg_inherits) AND c.relkind IN ('r', 'f') AND {OWN}
""",  # noqa: S608
    f"""
SELECT format('index %%s.%%s', n.nspname, c.relname), 'validity', 'not valid'
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid AND {OWN}
""",  # noqa: S608
    "SELECT 'schema public', 'existence', 'there' FROM pg_namespace WHERE nspname = 'public'",
)))  # fmt: skip
MEMBERS: Final = (FactQuery(f"""
SELECT 'extension ' || extension, 'object ' || member, 'there' FROM ({extension_members.MEMBERS}) m
 WHERE extension = ANY (%(extensions)s)
"""),  # noqa: S608
    FactQuery(f"""
SELECT 'extension ' || extension, 'object ' || title, 'there' FROM ({extension_members.CHANGES}) c
 WHERE extension = ANY (%(extensions)s)
"""))  # fmt: skip # noqa: S608
