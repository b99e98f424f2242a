"""Schema public, which the target has before the copy. It keeps an owner and rights of its own; the report names them."""

from __future__ import annotations

from typing import Final

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.telling import Telling

OWNER_CHANGED_SINCE: Final = 150000
"""Since this version public belongs to pg_database_owner, and others may not create in it."""
TITLES: Final = ("schema public", "acl SCHEMA public")
"""As comparisons name it."""
PUBLIC: Final = """
SELECT pg_catalog.pg_get_userbyid(nspowner)::text,
       ARRAY(SELECT format('%s to %s%s', privilege_type,
                           CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(grantee)::text END,
                           CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
               FROM aclexplode(coalesce(nspacl, acldefault('n', nspowner))) WHERE grantee <> nspowner ORDER BY 1)
  FROM pg_catalog.pg_namespace WHERE nspname = 'public'
"""
"""The owner, and the rights of others."""


async def name_public(source: Connection, target: Connection, telling: Telling) -> None:
    """Note the owner and the rights that the target has and the source has not. Call it after the source's rights are there."""
    versions = [side.info.server_version for side in (source, target)]
    if min(versions) < OWNER_CHANGED_SINCE <= max(versions):
        return
    there, here = [await (await side.execute(PUBLIC)).fetchone() for side in (source, target)]
    if there is None or here is None or there == here:
        return
    says = [f"belongs to {there[0]} on the source and to {here[0]} on the target"] if there[0] != here[0] else []
    for title, some, others in (("only on the target", here, there), ("only on the source", there, here)):
        if more := sorted(set(some[1]) - set(others[1])):
            says.append(f"has these rights {title}: {', '.join(more)}")
    telling.note(f"Schema public {', and '.join(says)}. The target's stays as it is.")
    telling.not_brought += [title for title in TITLES if title not in telling.not_brought]
