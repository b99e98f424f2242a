"""What follows once all rows and indexes exist: foreign keys, triggers, rights, sequences, views, statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import sql

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.archive import ABOUT, Entry
from changeover.postgres.snapshot.board import Hands, Task
from changeover.postgres.snapshot.contents import Contents
from changeover.postgres.snapshot.ledger import Ledger
from changeover.postgres.snapshot.load import build
from changeover.postgres.snapshot.sessions import is_lost, one_line
from changeover.postgres.snapshot.telling import Telling

AFTER_KEYS: Final = {"TRIGGER", "POLICY", "ROW SECURITY"}
"""Entries that could affect the check of a foreign key or fire during it."""
RIGHTS: Final = {"ACL", "DEFAULT ACL"}
TO_ANALYZE: Final = """
SELECT c.oid::bigint, n.nspname::text, c.relname::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', '_changeover') AND n.nspname !~ '^pg_(toast|temp)'
   AND pg_has_role(c.relowner, 'USAGE') AND (c.relkind <> 'm' OR c.relispopulated)
 ORDER BY pg_catalog.pg_relation_size(c.oid) DESC
"""
PARTITIONS: Final = """
SELECT n.nspname::text, c.relname::text
  FROM pg_catalog.pg_partition_tree(%s::regclass) t
  JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND t.level > 0
"""


class Rest:
    """The post-data entries that are not built from rows, by when they are created."""

    def __init__(self, entries: Sequence[Entry], built: set[int], contents: Contents) -> None:
        others = [entry for entry in entries if entry.number not in built]
        of_views = {
            entry.number
            for entry in others
            if (belonging := contents.belongs.get(entry.catalog)) and belonging.is_of_view
        }
        self.view_indexes = [entry for entry in others if entry.number in of_views]
        self.event_triggers = [entry for entry in others if entry.is_event_trigger]
        """Last, because they would fire for everything created after them."""
        others = [entry for entry in others if entry.number not in of_views and not entry.is_event_trigger]
        self.foreign_keys = [entry for entry in others if entry.kind == "FK CONSTRAINT"]
        self.rights = [entry for entry in others if entry.kind in RIGHTS]
        about = ABOUT | {"DEFAULT ACL"}
        self.remarks = [entry for entry in others if entry.kind in about and entry.kind not in RIGHTS]
        self.after_keys = [entry for entry in others if entry.kind in AFTER_KEYS]
        taken = {"FK CONSTRAINT"} | RIGHTS | about | AFTER_KEYS
        self.before_keys = [entry for entry in others if entry.kind not in taken]
        """Attached indexes, extended statistics, rules, and views that need a key."""


def foreign_key_tasks(entries: Sequence[Entry], contents: Contents, ledger: Ledger, telling: Telling) -> list[Task]:
    """Each task locks both its tables. Keys that share no table are checked concurrently."""
    tasks = []
    for entry in entries:
        if ledger.has("fk constraint", entry.key):
            continue
        belonging = contents.belongs.get(entry.catalog)
        both = frozenset({belonging.table, belonging.refers_to}) if belonging else frozenset()
        tasks.append(build(entry, ledger, telling, alone_on=both))
    return tasks


async def analyze_tasks(target: Connection, ledger: Ledger, telling: Telling) -> list[Task]:
    """One task for each table, including its partitions."""
    rows = await (await target.execute(TO_ANALYZE)).fetchall()
    named = [sql.Identifier(schema, name) for _, schema, name in rows]
    return [_analyze(name, ledger, telling) for name in named if not ledger.has("statistics", name.as_string())]


def _analyze(name: sql.Identifier, ledger: Ledger, telling: Telling) -> Task:
    async def run(hands: Hands) -> None:
        telling.says = name.as_string()
        target = await hands.target()
        if said := await _analyzed(target, ledger, name):
            telling.note(f"No statistics of {name.as_string()}: {said}")
            for part in await (await target.execute(PARTITIONS, [name.as_string()])).fetchall():
                await _analyzed(
                    target, ledger, sql.Identifier(*part)
                )  # a partition on an unreachable foreign server makes the whole ANALYZE fail
        ledger.confirm("statistics", name.as_string())
        telling.things_done += 1

    return Task(name.as_string(), run)


async def _analyzed(target: Connection, ledger: Ledger, name: sql.Identifier) -> str:
    """The server's error, or empty on success."""
    try:
        async with target.transaction():
            await target.execute(sql.SQL("ANALYZE {}").format(name))
            await ledger.note(target, "statistics", name.as_string())
    except psycopg.Error as refused:
        if is_lost(refused):
            raise
        return one_line(refused)
    return ""
