"""Role memberships. A group that we created has rights only in this database, so its members gain nothing elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import psycopg
from psycopg import sql

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.ledger import Ledger
from changeover.postgres.snapshot.sessions import is_lost, one_line

OPTIONS: Final = ("ADMIN", "INHERIT", "SET")
MEMBERS: Final = """
SELECT g.rolname::text, r.rolname::text,
       array[bool_or(m.admin_option), bool_or(coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, r.rolinherit)),
             bool_or(coalesce((to_jsonb(m) ->> 'set_option')::boolean, true))]
  FROM pg_catalog.pg_auth_members m
  JOIN pg_catalog.pg_roles g ON g.oid = m.roleid JOIN pg_catalog.pg_roles r ON r.oid = m.member WHERE r.rolname = ANY(%s)
 GROUP BY 1, 2 ORDER BY 1, 2
"""
"""With the combined OPTIONS of all its grants: since version 16, several roles can grant the same membership."""
LACKED: Final = (False, False, False)


async def bring_memberships(
    source: Connection, target: Connection, ledger: Ledger, roles: Collection[str]
) -> list[str]:
    """The memberships of `roles` in groups that the target has. Returns a line for each that is missing or differs."""
    found = await source.execute(MEMBERS, [sorted(roles)])
    rows = await (await target.execute(MEMBERS, [sorted(roles)])).fetchall()
    there = {(group, member): options for group, member, options in rows}
    made = ledger.of("role")
    left_out = []
    for group, member, options in await found.fetchall():
        has = there.get((group, member))
        missing = [wanted and not given for wanted, given in zip(options, has or LACKED, strict=True)]
        if has is not None and not any(missing):
            if has != options:
                left_out.append(f"Role {member} {_differs(group, options, has)}. It stays unchanged.")
            continue
        grant = _grant(group, member, missing, has or LACKED, target.info.server_version)
        if group not in made and member not in made:
            says = f"is in {group} on the source" if has is None else _differs(group, options, has)
            left_out.append(
                f"Role {member} {says}. Both existed on the target before, and the grant would affect more than this database:"
                f" {grant.as_string()};"
            )
            continue
        if why := await _try(target, ledger, grant, group, member):
            left_out.append(
                f"Role {member} is not in {group}: {why}"
                if has is None
                else f"Role {member} {_differs(group, options, has)}: {why}"
            )
    return left_out


def _differs(group: str, source: Sequence[bool], target: Sequence[bool]) -> str:
    here, there = (
        ", ".join(
            f"{name} {str(on).upper()}" for name, on, other in zip(OPTIONS, one, another, strict=True) if on != other
        )
        for one, another in ((source, target), (target, source))
    )
    return f"is in {group} with {here} on the source and {there} on the target"


async def _try(target: Connection, ledger: Ledger, grant: sql.Composed, group: str, member: str) -> str | None:
    key = f"{group}\n{member}"
    try:
        async with target.transaction():
            await target.execute(grant)
            if not ledger.has("membership", key):
                await ledger.note(target, "membership", key, group=group, member=member)
    except psycopg.Error as refused:
        if is_lost(refused):
            raise
        return one_line(refused)
    ledger.confirm("membership", key, group=group, member=member)
    return None


def _grant(group: str, member: str, missing: Sequence[bool], has: Sequence[bool], version: int) -> sql.Composed:
    """Leaves out what it already has: a role can't grant ADMIN to the role that it has it from."""
    statement = sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(member))
    if version < 160000:
        return statement + sql.SQL(" WITH ADMIN OPTION" if missing[0] else "")
    words = [
        sql.SQL(f"{name} {str(wanted).upper()}")
        for name, wanted, given in zip(OPTIONS, missing, has, strict=True)
        if not given
    ]
    return statement + sql.SQL(" WITH ") + sql.SQL(", ").join(words)


async def take_back_memberships(target: Connection, ledger: Ledger) -> None:
    """Revoke the memberships that we granted, if both roles still exist."""
    for facts in ledger.of("membership").values():
        pair = [facts["group"], facts["member"]]
        found = await target.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = ANY(%s)", [pair])
        if found.rowcount == len(set(pair)):
            await target.execute(sql.SQL("REVOKE {} FROM {}").format(*map(sql.Identifier, pair)))
