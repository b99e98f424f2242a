"""What was added to an extension by hand (ALTER EXTENSION … ADD): no dump has what belongs to an extension."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, LiteralString

from changeover.postgres.connect import Connection

Member = tuple[str, str]
"""`hstore 1.8`, and `function public.mine()`."""
RELATIONS: Final = ("table ", "view ", "materialized view ", "foreign table ", "sequence ")
MEMBERS: Final[LiteralString] = """
SELECT e.extname::text || ' ' || e.extversion, i.type || ' ' || replace(i.identity, 'pg_catalog.', '')
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid,
       pg_catalog.pg_identify_object(d.classid, d.objid, 0) i
 WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
   AND NOT (d.classid = 'pg_catalog.pg_type'::regclass AND EXISTS (
       SELECT FROM pg_catalog.pg_type t WHERE t.typarray = d.objid
        UNION ALL SELECT FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
                   WHERE t.oid = d.objid AND (t.typtype::text = 'm' OR c.relkind <> 'c')))
"""
"""Without the types that PostgreSQL makes by itself beside another: newer versions count them as members."""


async def read_members(connection: Connection) -> frozenset[Member]:
    return frozenset(await (await connection.execute(MEMBERS)).fetchall())


def added_by_hand(source: Collection[Member], target: Collection[Member]) -> list[Member]:
    """What the source's extensions have and the same ones of the target, of the same version, have not. Pure."""
    extensions = {extension for extension, _ in target}
    return sorted(one for one in set(source) - set(target) if one[0] in extensions)


def of_another_version(source: Collection[Member], target: Collection[Member]) -> list[Member]:
    """Relations of the source's extensions that are not there, where the target has another version. Functions come and go
    between versions; relations hardly ever do, and they can have rows. Pure."""
    made = {(_name(extension), member) for extension, member in target}
    names, versions = {name for name, _ in made}, {extension for extension, _ in target}
    return sorted(
        (extension, member)
        for extension, member in source
        if extension not in versions
        and _name(extension) in names
        and (_name(extension), member) not in made
        and member.startswith(RELATIONS)
    )


def _name(extension: str) -> str:
    return extension.rpartition(" ")[0]
