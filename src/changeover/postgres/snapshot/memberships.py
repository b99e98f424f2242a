"""Who is in which group. A group that we made has rights in this database alone, so nobody gains elsewhere by being in it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import psycopg
from psycopg import sql

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.ledger import Ledger
from changeover.postgres.snapshot.sessions import is_lost, one_line

MEMBERS: Final = """
SELECT DISTINCT g.rolname::text, r.rolname::text, m.admin_option FROM pg_catalog.pg_auth_members m
  JOIN pg_catalog.pg_roles g ON g.oid = m.roleid JOIN pg_catalog.pg_roles r ON r.oid = m.member WHERE r.rolname = ANY(%s)
 ORDER BY 1, 2
"""
MEMBERS_WITH_OPTIONS: Final = """
SELECT DISTINCT g.rolname::text, r.rolname::text, m.admin_option, m.inherit_option, m.set_option
  FROM pg_catalog.pg_auth_members m
  JOIN pg_catalog.pg_roles g ON g.oid = m.roleid JOIN pg_catalog.pg_roles r ON r.oid = m.member WHERE r.rolname = ANY(%s)
 ORDER BY 1, 2
"""


async def bring_memberships(
    source: Connection, target: Connection, ledger: Ledger, roles: Collection[str]
) -> list[str]:
    """Of `roles`, in groups that the target has; a line for each that is not brought."""
    has_options = source.info.server_version >= 160000
    found = await source.execute(MEMBERS_WITH_OPTIONS if has_options else MEMBERS, [sorted(roles)])
    rows = await (await target.execute(MEMBERS, [sorted(roles)])).fetchall()
    there = {(group, member) for group, member, _ in rows}
    made = ledger.of("role")
    left_out = []
    for group, member, *options in await found.fetchall():
        if (group, member) in there:
            continue
        grant = _grant(group, member, options, target.info.server_version)
        if group not in made and member not in made:
            left_out.append(
                f"Role {member} is in {group} on the source. Both were on the target before, where this would give it more"
                f" than this database has: {grant.as_string()};"
            )
            continue
        if why := await _try(target, ledger, grant, group, member):
            left_out.append(f"Role {member} is not in {group}: {why}")
    return left_out


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


def _grant(group: str, member: str, options: list[bool], version: int) -> sql.Composed:
    """`options`: ADMIN and, where the source knows them, INHERIT and SET."""
    statement = sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(member))
    if version < 160000 or len(options) == 1:
        return statement + sql.SQL(" WITH ADMIN OPTION" if options[0] else "")
    words = [
        sql.SQL(name) + sql.SQL(" TRUE" if on else " FALSE")
        for name, on in zip(("ADMIN", "INHERIT", "SET"), options, strict=True)
    ]
    return statement + sql.SQL(" WITH ") + sql.SQL(", ").join(words)


async def take_back_memberships(target: Connection, ledger: Ledger) -> None:
    """Those that we granted, as long as both roles are there."""
    for facts in ledger.of("membership").values():
        pair = [facts["group"], facts["member"]]
        found = await target.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = ANY(%s)", [pair])
        if found.rowcount == len(set(pair)):
            await target.execute(sql.SQL("REVOKE {} FROM {}").format(*map(sql.Identifier, pair)))
