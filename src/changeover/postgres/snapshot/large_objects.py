"""Copies large objects with their oids, owners, rights and comments. Uses only functions: providers restrict pg_largeobject."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

from psycopg import sql

from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.snapshot.ledger import Ledger

FIRST_BYTES: Final = 32 << 10
"""The first bytes of each object, read together for many objects."""
MORE_BYTES: Final = 4 << 20
"""The size of further reads of a larger object."""
AT_ONCE: Final = 1000
DESCRIBED: Final = """
SELECT oid::bigint, pg_get_userbyid(lomowner)::text, pg_catalog.obj_description(oid, 'pg_largeobject'),
       (SELECT json_agg(json_build_array(CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END,
                                         a.privilege_type, a.is_grantable))
          FROM aclexplode(lomacl) a WHERE a.grantee <> lomowner),
       (SELECT array_agg(right_) FROM unnest('{SELECT,UPDATE}'::text[]) right_
         WHERE lomacl IS NOT NULL
           AND right_ NOT IN (SELECT a.privilege_type FROM aclexplode(lomacl) a WHERE a.grantee = lomowner))
  FROM pg_catalog.pg_largeobject_metadata WHERE oid > $1::bigint::oid ORDER BY oid LIMIT $2
"""


async def count_large_objects(source: Connection) -> int:
    """The number of large objects at the snapshot."""
    (count,) = await fetch_row(source, "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata")
    return int(count)


async def bring_large_objects(
    reader: Any, target: Connection, ledger: Ledger, owners: set[str] | None, note: Callable[[str], None]
) -> None:
    """Copy all in the order of their oids, from where the ledger ends. `owners` None: all belong to the target's role."""
    last = max((int(name) for name in ledger.of("large objects")), default=0)
    while batch := await reader.fetch(DESCRIBED, last, AT_ONCE):
        last = int(batch[-1][0])
        async with target.transaction():
            await _bring(reader, target, [int(row[0]) for row in batch])
            await _describe(target, batch, owners, note)
            await ledger.note(target, "large objects", str(last))
        ledger.confirm("large objects", str(last))


async def _bring(reader: Any, target: Connection, oids: Sequence[int]) -> None:
    rows = await reader.fetch(
        "SELECT o::bigint, lo_get(o, 0, $2::int) FROM unnest($1::bigint[]::oid[]) o", list(oids), FIRST_BYTES
    )
    await target.execute(
        "SELECT count(lo_from_bytea(o, d)) FROM unnest(%b::oid[], %b::bytea[]) v (o, d)",
        [[int(row[0]) for row in rows], [bytes(row[1]) for row in rows]],
    )
    for row in rows:
        if len(row[1]) == FIRST_BYTES:
            await _bring_rest(reader, target, int(row[0]))


async def _bring_rest(reader: Any, target: Connection, oid: int) -> None:
    at = FIRST_BYTES
    while part := await reader.fetchval("SELECT lo_get($1::bigint::oid, $2, $3::int)", oid, at, MORE_BYTES):
        await target.execute("SELECT lo_put(%b::oid, %b::bigint, %b::bytea)", [oid, at, part])
        at += len(part)


async def _describe(
    target: Connection, batch: Sequence[Any], owners: set[str] | None, note: Callable[[str], None]
) -> None:
    """Always sets comments. Sets owners and rights if roles are copied."""
    statements: list[sql.Composable] = []
    me, names = await fetch_row(target, "SELECT current_user::text, array_agg(rolname::text) FROM pg_catalog.pg_roles")
    roles = set(names)
    for oid, owner, comment, rights, revoked in ((int(row[0]), *row[1:]) for row in batch):
        which = sql.Literal(oid)
        if comment is not None:
            statements.append(sql.SQL("COMMENT ON LARGE OBJECT {} IS {}").format(which, sql.Literal(comment)))
        if owners is None:
            continue
        is_given_away = owner != me and owner in owners
        grants = _grants(which, rights, roles, note)
        late = grants.pop(me, []) if is_given_away else []  # while we own it, our own rights make no difference
        statements += chain.from_iterable(grants.values())
        if is_given_away:
            statements.append(sql.SQL("ALTER LARGE OBJECT {} OWNER TO {}").format(which, sql.Identifier(owner)))
        for right in revoked if revoked and (owner == me or is_given_away) else ():  # an owner's right can be revoked
            statement = sql.SQL("REVOKE {} ON LARGE OBJECT {} FROM {}")
            late.append(statement.format(sql.SQL(right), which, sql.Identifier(owner)))
        statements += _as_role(owner, me, late) if is_given_away else late
    if statements:
        await target.execute(sql.SQL(";\n").join(statements))


def _as_role(owner: str, me: str, statements: list[sql.Composable]) -> list[sql.Composable]:
    """We may be a member that does not inherit the owner's rights, so SET ROLE is needed."""
    become = sql.SQL("SET LOCAL ROLE {}")
    return [become.format(sql.Identifier(owner)), *statements, become.format(sql.Identifier(me))] if statements else []


def _grants(
    which: sql.Composable, rights: str | None, roles: set[str], note: Callable[[str], None]
) -> dict[str | None, list[sql.Composable]]:
    """By grantee; None is PUBLIC."""
    given: dict[str | None, list[sql.Composable]] = {}
    for grantee, privilege, is_grantable in json.loads(rights or "[]"):
        if grantee is not None and grantee not in roles:
            note(f"Rights of role {grantee} on large objects are not copied: the target has no such role.")
            continue
        whom = sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee)
        statement = sql.SQL("GRANT {} ON LARGE OBJECT {} TO {}").format(sql.SQL(privilege), which, whom)
        option = sql.SQL(" WITH GRANT OPTION" if is_grantable else "")
        given.setdefault(grantee, []).append(statement + option)
    return given
