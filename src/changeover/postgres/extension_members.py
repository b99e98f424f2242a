"""Objects added to an extension or changed in it by hand. Dumps don't contain objects that belong to an extension."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, LiteralString

from changeover.postgres.connect import Connection

Member = tuple[str, str]
"""For example `hstore 1.8` and `function public.mine()`."""
RELATIONS: Final = ("table ", "view ", "materialized view ", "foreign table ", "sequence ")
MEMBERS: Final[LiteralString] = """
SELECT e.extname::text AS extension, e.extversion AS version, i.type || ' ' || replace(i.identity, 'pg_catalog.', '') AS member
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid,
       pg_catalog.pg_identify_object(d.classid, d.objid, 0) i
 WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
   AND NOT (d.classid = 'pg_catalog.pg_type'::regclass AND EXISTS (
       SELECT FROM pg_catalog.pg_type t WHERE t.typarray = d.objid
        UNION ALL SELECT FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
                   WHERE t.oid = d.objid AND (t.typtype::text = 'm' OR c.relkind <> 'c')))
"""
"""Without the types that PostgreSQL creates with other objects: newer versions count them as members."""


CHANGES: Final[LiteralString] = """
WITH members AS (
    SELECT e.extname::text AS extension, e.extversion AS version, d.classid, d.objid
      FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
     WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
), tables AS (
    SELECT m.extension, m.version, m.classid, c.oid FROM members m JOIN pg_catalog.pg_class c ON c.oid = m.objid
     WHERE m.classid = 'pg_catalog.pg_class'::regclass AND c.relkind IN ('r', 'p')
), changes (extension, version, member_class, member, what, classid, objid, objsubid, value) AS (
    SELECT m.extension, m.version, m.classid, m.objid, 'comment of ', d.classoid, d.objoid, d.objsubid, d.description
      FROM members m JOIN pg_catalog.pg_description d ON d.classoid = m.classid AND d.objoid = m.objid
    UNION ALL SELECT m.extension, m.version, m.classid, m.objid, 'settings of ', m.classid, m.objid, 0, p.proconfig::text
      FROM members m JOIN pg_catalog.pg_proc p ON p.oid = m.objid AND p.proconfig IS NOT NULL
     WHERE m.classid = 'pg_catalog.pg_proc'::regclass
    UNION ALL SELECT t.*, '', 'pg_catalog.pg_class'::regclass, t.oid, a.attnum, ''
      FROM tables t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT t.*, '', 'pg_catalog.pg_class'::regclass, i.indexrelid, 0, ''
      FROM tables t JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
    UNION ALL SELECT t.*, '', 'pg_catalog.pg_trigger'::regclass, g.oid, 0, ''
      FROM tables t JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
    UNION ALL SELECT t.*, '', 'pg_catalog.pg_constraint'::regclass, c.oid, 0, ''
      FROM tables t JOIN pg_catalog.pg_constraint c ON c.conrelid = t.oid AND c.contype IN ('c', 'f', 'p', 'u', 'x')
)
SELECT c.extension, c.version, m.type || ' ' || replace(m.identity, 'pg_catalog.', ''),
       c.what || i.type || ' ' || replace(i.identity, 'pg_catalog.', '') AS title, c.value
  FROM changes c, pg_catalog.pg_identify_object(c.member_class, c.member, 0) m,
       pg_catalog.pg_identify_object(c.classid, c.objid, c.objsubid) i
"""
"""What an owner can add to members or change: comments, settings of functions, and objects on their tables."""


@dataclass(frozen=True)
class Change:
    """One addition or change."""

    member: Member
    title: str
    """As a comparison shows it: `trigger fires on public.base`."""
    value: str
    """A comment's text, a function's settings."""


async def read_changes(connection: Connection) -> frozenset[Change]:
    rows = await (await connection.execute(CHANGES)).fetchall()
    return frozenset(Change((f"{extension} {version}", member), *rest) for extension, version, member, *rest in rows)


def changed_by_hand(source: Collection[Change], target: Collection[Change], made: Collection[Member]) -> list[Change]:
    """What the source has and the target's extensions of the same version lack. Pure."""
    extensions = {extension for extension, _ in made}
    return sorted((one for one in set(source) - set(target) if one.member[0] in extensions), key=lambda one: one.title)


async def read_members(connection: Connection) -> frozenset[Member]:
    rows = await (await connection.execute(MEMBERS)).fetchall()
    return frozenset((f"{extension} {version}", member) for extension, version, member in rows)


def added_by_hand(source: Collection[Member], target: Collection[Member]) -> list[Member]:
    """Members of the source's extensions that the target's extensions of the same version lack. Pure."""
    extensions = {extension for extension, _ in target}
    return sorted(one for one in set(source) - set(target) if one[0] in extensions)


def of_another_version(source: Collection[Member], target: Collection[Member]) -> list[Member]:
    """Relations of the source's extensions that the target's other version lacks. Functions come and go between versions.
    Relations hardly ever do, and they can contain rows. Pure."""
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
