"""Rights on what every database has, such as functions of pg_catalog, and on what extensions made that were there before.

A source can have changed them, so a migration brings them, and an abort puts back those of the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import sql

from changeover.postgres.connect import Connection

RIGHTS: Final = """
WITH member (class, oid) AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), thing (class, oid, kind, name, part, acl, initial) AS (
    SELECT c.tableoid, c.oid, 'TABLE', c.oid::regclass::text, NULL, c.relacl,
           acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner) FROM pg_catalog.pg_class c
    UNION ALL
    SELECT c.tableoid, c.oid, 'TABLE', c.oid::regclass::text, a.attname::text, a.attacl, '{}'
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    UNION ALL
    SELECT tableoid, oid, 'ROUTINE', oid::regprocedure::text, NULL, proacl, acldefault('f', proowner) FROM pg_catalog.pg_proc
    UNION ALL
    SELECT tableoid, oid, 'TYPE', oid::regtype::text, NULL, typacl, acldefault('T', typowner) FROM pg_catalog.pg_type
    UNION ALL
    SELECT tableoid, oid, 'LANGUAGE', quote_ident(lanname), NULL, lanacl, acldefault('l', lanowner) FROM pg_catalog.pg_language
    UNION ALL
    SELECT tableoid, oid, 'SCHEMA', quote_ident(nspname), NULL, nspacl, acldefault('n', nspowner)
      FROM pg_catalog.pg_namespace WHERE nspname <> 'public'
)
SELECT kind, name, part, acl::text[], initial::text[] FROM thing
 WHERE acl IS NOT NULL AND (oid < 16384 OR (class, oid) IN (SELECT class, oid FROM member))
"""
"""Of all that has other rights than the usual ones; `part` is a column. With these usual ones last."""
IN_WORDS: Final = """
SELECT CASE WHEN grantee = 0 THEN NULL ELSE pg_get_userbyid(grantee)::text END, privilege_type, is_grantable
  FROM aclexplode(%s::text[]::aclitem[])
"""


async def rights_of_built_in(target: Connection) -> list[list[Any]]:
    """Kind, name, column, rights."""
    return [list(row[:4]) for row in await (await target.execute(RIGHTS)).fetchall()]


async def put_back_rights_of_built_in(target: Connection, was: Sequence[Sequence[Any]]) -> None:
    """As `rights_of_built_in` found them."""
    before = {(kind, name, part): rights for kind, name, part, rights in was}
    for kind, name, part, now, initial in await (await target.execute(RIGHTS)).fetchall():
        then = list(before.get((kind, name, part), initial) or ())
        if set(now) != set(then):
            await put_back(target, sql.SQL(f"{kind} {name}"), now, then, part=part)


async def put_back(
    target: Connection, what: sql.Composable, now: Sequence[str], then: Sequence[str], *, part: str | None = None
) -> None:
    """Whoever has a right on `what` gets those of `then`, and no others. Both lists are as the catalogs write them."""
    columns = sql.SQL(" ({})").format(sql.Identifier(part)) if part else sql.SQL("")
    for grantee in {row[0] for row in await _in_words(target, now)}:
        revoked = sql.SQL("REVOKE ALL{} ON {} FROM {} CASCADE")
        await target.execute(revoked.format(columns, what, _whom(grantee)))
    for grantee, privilege, is_grantable in await _in_words(target, then):
        given = sql.SQL("GRANT {}{} ON {} TO {}").format(sql.SQL(privilege), columns, what, _whom(grantee))
        await target.execute(given + sql.SQL(" WITH GRANT OPTION" if is_grantable else ""))


async def _in_words(target: Connection, rights: Sequence[str]) -> list[Any]:
    if not rights:
        return []  # aclexplode refuses an empty list
    return await (await target.execute(IN_WORDS, [list(rights)])).fetchall()


def _whom(grantee: str | None) -> sql.Composable:
    return sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee)
