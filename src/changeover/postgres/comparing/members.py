"""Rights on objects of extensions. Servers grant some of them automatically to the role that a database is created for."""

from __future__ import annotations

from typing import Final

from changeover.postgres.comparing.dumps import Thing
from changeover.postgres.comparing.sides import Side

MEMBERS: Final = """
SELECT n.nspname::text, format('FUNCTION %s(%s)', p.proname, pg_get_function_identity_arguments(p.oid))
  FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
UNION ALL
SELECT n.nspname::text, format('TABLE %s', c.relname)
  FROM pg_depend d JOIN pg_class c ON c.oid = d.objid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
"""


async def rights_of_members(side: Side) -> set[Thing]:
    """By the names that pg_dump uses."""
    return {Thing("ACL", schema, name) for schema, name in await side.rows(MEMBERS)}
