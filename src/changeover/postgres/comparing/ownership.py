"""Whether owners and rights are comparable. In a database copied without them, everything belongs to other roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from changeover.postgres.comparing.fact_queries import THIS
from changeover.postgres.comparing.sides import Side, together

OWNERS: Final = f"""
WITH {THIS} SELECT DISTINCT r.rolname::text FROM pg_shdepend s, this, pg_roles r
 WHERE s.dbid = this.oid AND s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o' AND r.oid = s.refobjid
"""  # noqa: S608 - constants of ours
DATABASE_OWNER: Final = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()"
KNOWN: Final = "SELECT rolname::text FROM pg_roles"


@dataclass(frozen=True)
class Ownership:
    """Of one side."""

    database: str
    """The database's owner."""
    objects: frozenset[str]
    """The owners of its objects, without the bootstrap superuser."""
    known: frozenset[str]
    """All roles of the server."""


def why_not_comparable(source: Ownership, target: Ownership) -> str:
    """Empty if owners and rights can be compared because the roles are the same."""
    if missing := sorted((source.objects | {source.database}) - target.known):
        return f"owners and rights were not compared: the target has no role {', '.join(missing[:5])}"
    objects = source.objects | target.objects
    if objects and source.database != target.database and source.objects.isdisjoint(target.objects):
        whose = f"{source.database} on the source and {target.database} on the target"
        return f"owners and rights were not compared: the database and everything in it belongs to {whose}"
    return ""


async def read_ownership(source: Side, target: Side) -> tuple[Ownership, Ownership]:
    here, there = await together(_read(source), _read(target))
    return here, there


async def _read(side: Side) -> Ownership:
    ((database,),) = await side.rows(DATABASE_OWNER)
    objects, known = [frozenset(name for (name,) in await side.rows(asked)) for asked in (OWNERS, KNOWN)]
    return Ownership(database, objects, known)
