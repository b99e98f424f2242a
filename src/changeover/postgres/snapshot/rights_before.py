"""Rights on objects that existed on the target before the copy, and its default privileges. An abort restores them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from psycopg import sql

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.sessions import refusal_of

RIGHTS: Final = """
WITH objects (class, oid, part, kind, name, col, owner, acl, type) AS (
    SELECT c.tableoid, c.oid, 0, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass::text, NULL,
           c.relowner, c.relacl, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char"
      FROM pg_catalog.pg_class c WHERE c.relacl IS NOT NULL
    UNION ALL
    SELECT c.tableoid, c.oid, a.attnum, 'TABLE', c.oid::regclass::text, a.attname::text, c.relowner, a.attacl, 'c'
      FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
     WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT tableoid, oid, 0, 'ROUTINE', oid::regprocedure::text, NULL, proowner, proacl, 'f'
      FROM pg_catalog.pg_proc WHERE proacl IS NOT NULL
    UNION ALL
    SELECT tableoid, oid, 0, 'TYPE', pg_catalog.format_type(oid, NULL), NULL, typowner, typacl, 'T'
      FROM pg_catalog.pg_type WHERE typacl IS NOT NULL
    UNION ALL
    SELECT tableoid, oid, 0, 'LANGUAGE', quote_ident(lanname), NULL, lanowner, lanacl, 'l'
      FROM pg_catalog.pg_language WHERE lanacl IS NOT NULL
    UNION ALL
    SELECT tableoid, oid, 0, 'SCHEMA', quote_ident(nspname), NULL, nspowner, nspacl, 'n'
      FROM pg_catalog.pg_namespace WHERE nspacl IS NOT NULL AND nspname NOT IN ('public', '_changeover')
    UNION ALL
    SELECT tableoid, oid, 0, 'FOREIGN DATA WRAPPER', quote_ident(fdwname), NULL, fdwowner, fdwacl, 'F'
      FROM pg_catalog.pg_foreign_data_wrapper WHERE fdwacl IS NOT NULL
    UNION ALL
    SELECT tableoid, oid, 0, 'FOREIGN SERVER', quote_ident(srvname), NULL, srvowner, srvacl, 'S'
      FROM pg_catalog.pg_foreign_server WHERE srvacl IS NOT NULL
), everything (key, clause, name, col, acl, normal) AS (
    SELECT format('%s/%s/%s', class::oid, oid, part), '', kind || ' ' || name, col, acl,
           coalesce(i.initprivs, pg_catalog.acldefault(type, owner))
      FROM objects LEFT JOIN pg_catalog.pg_init_privs i ON (i.classoid, i.objoid, i.objsubid) = (class, oid, part)
     WHERE acl IS DISTINCT FROM i.initprivs AND name NOT LIKE '\\_changeover.%' AND name NOT LIKE 'pg\\_toast%'
    UNION ALL
    SELECT format('default/%s/%s/%s', r.rolname, d.defaclobjtype, n.nspname),
           format('ALTER DEFAULT PRIVILEGES FOR ROLE %I ', r.rolname)
           || coalesce('IN SCHEMA ' || quote_ident(n.nspname) || ' ', ''),
           CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END,
           NULL, d.defaclacl, CASE WHEN n.oid IS NULL THEN pg_catalog.acldefault(
                CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole) END
      FROM pg_catalog.pg_default_acl d JOIN pg_catalog.pg_roles r ON r.oid = d.defaclrole
      LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
)
SELECT key, clause, name, col, rights.of_acl, rights.of_normal
  FROM everything, LATERAL (
       SELECT json_agg(json_build_array(who, privilege_type, is_grantable)) FILTER (WHERE is_now) AS of_acl,
              json_agg(json_build_array(who, privilege_type, is_grantable)) FILTER (WHERE NOT is_now) AS of_normal
         FROM (SELECT true, a.* FROM pg_catalog.aclexplode(acl) a
               UNION ALL SELECT false, a.* FROM pg_catalog.aclexplode(normal) a)
              one (is_now, grantor, grantee, privilege_type, is_grantable),
              LATERAL (SELECT CASE WHEN grantee <> 0 THEN pg_catalog.pg_get_userbyid(grantee)::text END) named (who)
       ) rights
"""
"""Rights that differ from the defaults of PostgreSQL or an extension, on objects that may outlive a copy, and the defaults."""
IN_WORDS: Final = """
SELECT CASE WHEN grantee <> 0 THEN pg_catalog.pg_get_userbyid(grantee)::text END, privilege_type, is_grantable
  FROM pg_catalog.aclexplode(%s::text[]::aclitem[])
"""
Right = tuple[str | None, str, bool]
"""Grantee (None: PUBLIC), privilege, and whether it has grant option."""


@dataclass(frozen=True)
class Rights:
    """The rights on one object or column, or a role's default privileges for one kind of object."""

    clause: str
    """`ALTER DEFAULT PRIVILEGES …`, or empty."""
    name: str
    """The object's type and quoted name."""
    column: str | None
    given: frozenset[Right]
    normal: frozenset[Right]

    @property
    def says(self) -> str:
        """For the report of an abort."""
        return f"{self.clause}ON {self.name}{f', column {self.column}' if self.column else ''}"

    def statements(self, wanted: Iterable[Right]) -> Iterator[sql.Composed]:
        """Statements that change the given rights to the wanted ones. REVOKE comes first: it also removes dependent grants."""
        then = frozenset(wanted)
        changed = {(who, what) for who, what, _ in self.given ^ then}
        for who, what in sorted({(who, what) for who, what, _ in self.given} & changed, key=str):
            yield self._statement("REVOKE", what, "FROM", who)
        for who, what, may_pass in sorted(then, key=str):
            if (who, what) in changed:
                yield self._statement("GRANT", what, "TO", who) + sql.SQL(" WITH GRANT OPTION" if may_pass else "")

    def _statement(self, verb: str, what: str, to: str, who: str | None) -> sql.Composed:
        column = sql.SQL(" ({})").format(sql.Identifier(self.column)) if self.column else sql.SQL("")
        return sql.SQL("{}{} {}{} ON {} {} {}{}").format(
            sql.SQL(self.clause), sql.SQL(verb), sql.SQL(what), column, sql.SQL(self.name), sql.SQL(to),
            sql.SQL("PUBLIC") if who is None else sql.Identifier(who),
            sql.SQL(" CASCADE" if verb == "REVOKE" else ""),
        )  # fmt: skip


async def read_rights(target: Connection) -> dict[str, Rights]:
    """By a stable key."""
    rows = await (await target.execute(RIGHTS)).fetchall()
    return {
        key: Rights(clause, name, column, _rights(given), _rights(normal))
        for key, clause, name, column, given, normal in rows
    }


async def rights_in(target: Connection, listed: Sequence[str]) -> frozenset[Right]:
    """Parses an aclitem list as the catalogs store it."""
    if not listed:
        return frozenset()  # aclexplode refuses an empty list
    return frozenset(tuple(row) for row in await (await target.execute(IN_WORDS, [list(listed)])).fetchall())


def as_facts(rights: dict[str, Rights]) -> dict[str, Any]:
    """For the ledger."""
    return {"rights": {key: [one.clause, one.name, one.column, *map(_listed, (one.given, one.normal))]
                       for key, one in rights.items()}}  # fmt: skip


async def put_back_rights(target: Connection, before: dict[str, Any]) -> list[str]:
    """`before` is from `as_facts`. Empty: nothing was recorded. Returns a line for each that could not be restored."""
    if not before:
        return []
    then = {key: Rights(clause, name, column, _rights(given), _rights(normal))
            for key, (clause, name, column, given, normal) in before["rights"].items()}  # fmt: skip
    refused: dict[str, str] = {}
    for key, one, wanted in _differing(await read_rights(target), then):
        for statement in one.statements(wanted):
            if why := await refusal_of(target, statement):
                refused[key] = why
    return [
        f"Rights on the target, {one.says}: {refused.get(key, 'a role other than the owner granted them')}."
        for key, one, _ in _differing(await read_rights(target), then)
    ]


def _differing(now: dict[str, Rights], then: dict[str, Rights]) -> list[tuple[str, Rights, frozenset[Right]]]:
    """Rights that changed, with their former value. An object missing from `now` counts as having the default rights."""
    normal = {key: replace(one, given=one.normal) for key, one in then.items() if key not in now}
    found = []
    for key, one in {**now, **normal}.items():
        wanted = then[key].given if key in then else one.normal
        if one.given != wanted:
            found.append((key, one, wanted))
    return found


def _rights(listed: list[list[Any]] | None) -> frozenset[Right]:
    return frozenset((who, what, may_pass) for who, what, may_pass in listed or ())


def _listed(rights: frozenset[Right]) -> list[list[Any]]:
    return sorted((list(right) for right in rights), key=str)
