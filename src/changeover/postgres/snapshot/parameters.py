"""Rights on settings. They belong to the server and would affect its other databases, so they are reported, not copied."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from psycopg import sql

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.settings import name_of

SINCE: Final = 150000
RIGHTS: Final = """
SELECT coalesce(r.rolname::text, ''), p.parname, a.privilege_type, a.is_grantable
  FROM pg_catalog.pg_parameter_acl p CROSS JOIN LATERAL pg_catalog.aclexplode(p.paracl) a
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE a.grantee = 0 OR r.rolname = ANY (%s)
 ORDER BY 1, 2, 3, 4
"""
"""The rights of PUBLIC and of some roles."""


async def missing_rights_on_parameters(source: Connection, target: Connection, roles: Collection[str]) -> list[str]:
    """A line for each right of `roles` or PUBLIC that the target doesn't grant. Reads in the callers' transactions."""
    there, here = await _rights(source, roles), await _rights(target, roles)
    lines = []
    for role, parameter, privilege, may_pass in sorted(there):
        if here & {(role, parameter, privilege, may_pass), (role, parameter, privilege, True)}:
            continue
        grant = sql.SQL("GRANT {} ON PARAMETER {} TO {}{}").format(
            sql.SQL(privilege), name_of(parameter), sql.Identifier(role) if role else sql.SQL("PUBLIC"),
            sql.SQL(" WITH GRANT OPTION" if may_pass else ""),
        ).as_string()  # fmt: skip
        lines.append(
            f"{f'Role {role}' if role else 'Every role'} has the right {privilege} on the setting {parameter} on the source."
            f" Such rights apply to all databases of a server, so they are not copied. As a superuser of the target: {grant};"
        )
    return lines


async def _rights(side: Connection, roles: Collection[str]) -> set[tuple[str, str, str, bool]]:
    if side.info.server_version < SINCE:
        return set()
    return {(*row,) for row in await (await side.execute(RIGHTS, [sorted(roles)])).fetchall()}
