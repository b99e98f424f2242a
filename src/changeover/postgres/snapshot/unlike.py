"""Differences that a dump causes without saying so. The report lists them."""

from __future__ import annotations

from typing import Final

from changeover.postgres.connect import Connection
from changeover.postgres.extension_members import (
    added_by_hand,
    changed_by_hand,
    of_another_version,
    read_changes,
    read_members,
)
from changeover.postgres.snapshot.telling import Telling

CHILDREN: Final = """
SELECT c.oid::regclass::text, array_agg(a.attname::text ORDER BY a.attnum)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'f') AND NOT c.relispartition AND c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits)
 GROUP BY c.oid
"""
AMONG_THE_SYSTEMS: Final = """
WITH homes AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema')), strange AS (
    SELECT c.tableoid, c.oid FROM pg_catalog.pg_class c JOIN homes ON homes.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL SELECT p.tableoid, p.oid FROM pg_catalog.pg_proc p JOIN homes ON homes.oid = p.pronamespace
    UNION ALL SELECT o.tableoid, o.oid FROM pg_catalog.pg_operator o JOIN homes ON homes.oid = o.oprnamespace
    UNION ALL SELECT t.tableoid, t.oid FROM pg_catalog.pg_type t JOIN homes ON homes.oid = t.typnamespace
     WHERE t.typtype IN ('d', 'e', 'r')
)
SELECT i.type, i.identity FROM strange s, pg_catalog.pg_identify_object(s.tableoid, s.oid, 0) i
 WHERE s.oid >= 16384
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = s.tableoid AND d.objid = s.oid AND d.deptype IN ('e', 'i'))
 ORDER BY 1, 2
"""
"""Objects that did not exist when the server was initialized."""


async def name_what_is_unlike(source: Connection, target: Connection, telling: Telling) -> None:
    """Column order of inheritance children, and manual additions to extensions or to PostgreSQL's own schemas."""
    there: dict[str, list[str]] = dict(await (await source.execute(CHILDREN)).fetchall())
    here: dict[str, list[str]] = dict(await (await target.execute(CHILDREN)).fetchall())
    for table, columns in there.items():
        if table in here and here[table] != columns and sorted(here[table]) == sorted(columns):
            telling.note(
                f"The columns of {table} have a different order: {', '.join(columns)} on the source,"
                f" {', '.join(here[table])} on the target."
                " Name the columns in INSERT and COPY."
            )
    members, made = await read_members(source), await read_members(target)
    for extension, member in added_by_hand(members, made):
        telling.leave(member, member, f"It was added to the extension {extension} manually, so dumps don't contain it.")
    for change in changed_by_hand(await read_changes(source), await read_changes(target), made):
        if change.member in made:
            why = f"It was added to the extension {change.member[0]} or changed manually, so dumps don't contain it."
            telling.leave(change.title, change.title, why)
        else:  # its member is reported
            telling.not_brought.append(change.title)
    for extension, member in of_another_version(members, made):
        telling.leave(
            member, member, f"It belongs to the extension {extension}, and the target's version does not create it."
        )
    for kind, name in await (await source.execute(AMONG_THE_SYSTEMS)).fetchall():
        telling.leave(
            f"{kind} {name}", f"{kind} {name}", "It is in one of PostgreSQL's own schemas, which dumps don't contain."
        )
