"""Records what is done, on the target itself: each row is written in the transaction that does the work.

Also records what existed before, which an abort keeps. The schema is dropped when everything is done.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from changeover.errors.elsewhere import CheckFailed
from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.rights_before import as_facts, read_rights

SCHEMA: Final = "_changeover"
MAKE: Final = """
CREATE SCHEMA _changeover;
REVOKE ALL ON SCHEMA _changeover FROM PUBLIC;
CREATE TABLE _changeover.done (
    mark text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, name)
)
"""
WAS_THERE: Final = """
SELECT 'pg_namespace'::regclass::oid::bigint, oid::bigint FROM pg_catalog.pg_namespace
 WHERE nspname <> '_changeover'
UNION ALL SELECT 'pg_extension'::regclass::oid::bigint, oid::bigint FROM pg_catalog.pg_extension
UNION ALL SELECT 'pg_language'::regclass::oid::bigint, oid::bigint FROM pg_catalog.pg_language
UNION ALL SELECT 'pg_cast'::regclass::oid::bigint, oid::bigint FROM pg_catalog.pg_cast
UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass::oid::bigint, oid::bigint FROM pg_catalog.pg_foreign_data_wrapper
UNION ALL SELECT 'pg_foreign_server'::regclass::oid::bigint, oid::bigint FROM pg_catalog.pg_foreign_server
UNION ALL SELECT 'pg_am'::regclass::oid::bigint, oid::bigint FROM pg_catalog.pg_am
UNION ALL SELECT 'pg_transform'::regclass::oid::bigint, oid::bigint FROM pg_catalog.pg_transform
UNION ALL SELECT 'pg_event_trigger'::regclass::oid::bigint, oid::bigint FROM pg_catalog.pg_event_trigger
UNION ALL
SELECT d.classid::bigint, d.objid::bigint FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_namespace n ON n.oid = d.refobjid
 WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass
   AND n.nspname <> '_changeover' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND n.nspname !~ '^pg_(toast|temp)'
"""
"""What an abort must leave: (class, oid). Objects of any type in a schema depend on it."""
IN_THE_WAY: Final = """
SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
   AND n.nspname <> ALL(%s)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT 'large object ' || oid FROM pg_catalog.pg_largeobject_metadata
 LIMIT 6
"""


@dataclass
class Ledger:
    """The rows of one mark: as read when it was opened, plus what this program added."""

    mark: str
    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def has(self, kind: str, name: str) -> bool:
        return (kind, name) in self.rows

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The recorded facts by name."""
        return {name: facts for (one, name), facts in self.rows.items() if one == kind}

    async def note(self, connection: Connection, kind: str, name: str, **facts: Any) -> None:
        """In the caller's transaction. Call `confirm` once that is committed."""
        await connection.execute(
            "INSERT INTO _changeover.done (mark, kind, name, facts) VALUES (%s, %s, %s, %s)",
            [self.mark, kind, name, json.dumps(facts)],
        )

    def confirm(self, kind: str, name: str, **facts: Any) -> None:
        self.rows[kind, name] = facts

    async def forget_one(self, connection: Connection, kind: str, name: str) -> None:
        """In the caller's transaction, after it was undone."""
        await connection.execute("DELETE FROM _changeover.done WHERE kind = %s AND name = %s", [kind, name])
        self.rows.pop((kind, name), None)

    async def forget(self, connection: Connection, *kinds: str) -> None:
        """In the caller's transaction. These will be done again."""
        await connection.execute("DELETE FROM _changeover.done WHERE kind = ANY(%s)", [list(kinds)])
        self.rows = {key: facts for key, facts in self.rows.items() if key[0] not in kinds}


async def read_ledger(connection: Connection, mark: str) -> Ledger | None:
    """What an earlier attempt left. None without a ledger. Raises CheckFailed when it is another migration's."""
    found = await connection.execute("SELECT pg_catalog.to_regclass('_changeover.done') IS NOT NULL")
    if await found.fetchone() == (False,):
        return None
    ledger = Ledger(mark)
    rows = await connection.execute("SELECT mark, kind, name, facts FROM _changeover.done")
    async for whose, kind, name, facts in rows:
        if whose != mark:
            raise _foreign(whose)
        ledger.confirm(kind, name, **facts)
    return ledger


async def open_ledger(connection: Connection, mark: str, ignored_schemas: tuple[str, ...]) -> Ledger:
    """An earlier attempt's ledger, or a new one in an empty database. Raises CheckFailed if it isn't empty."""
    if ledger := await read_ledger(connection, mark):
        return ledger
    found = await connection.execute(IN_THE_WAY, [["_heroku", *ignored_schemas]])
    if names := [name for (name,) in await found.fetchall()]:
        raise _not_empty(names)
    ledger = Ledger(mark)
    before = [list(row) for row in await (await connection.execute(WAS_THERE)).fetchall()]
    rights = as_facts(await read_rights(connection))
    async with connection.transaction():
        await connection.execute(MAKE)
        await ledger.note(connection, "before", "objects", objects=before)
        await ledger.note(connection, "before", "rights and defaults", **rights)
        await ledger.note(connection, "before", "public", **await public_schema(connection))
    ledger.confirm("before", "objects", objects=before)
    ledger.confirm("before", "rights and defaults", **rights)
    return ledger


async def public_schema(connection: Connection) -> dict[str, Any]:
    """Owner, rights and comment of schema public, for an abort to restore."""
    found = await connection.execute(
        "SELECT pg_get_userbyid(nspowner)::text, nspacl::text[], obj_description(oid, 'pg_namespace')"
        " FROM pg_catalog.pg_namespace WHERE nspname = 'public'"
    )
    row = await found.fetchone()
    return {"owner": row[0], "rights": row[1], "comment": row[2]} if row else {}


async def extensions_before(connection: Connection, ledger: Ledger) -> list[str]:
    """The names of extensions that the target already had. They stay unchanged."""
    objects = {tuple(one) for one in ledger.of("before")["objects"]["objects"]}
    found = await connection.execute("SELECT tableoid::bigint, oid::bigint, extname::text FROM pg_catalog.pg_extension")
    return [name for kind, oid, name in await found.fetchall() if (kind, oid) in objects]


def _not_empty(names: list[str]) -> CheckFailed:
    more = ", …" if len(names) > 5 else ""
    return CheckFailed(
        "The target database is not empty.",
        why=f"It contains {', '.join(names[:5])}{more}. A migration never overwrites anything.",
        fix="Choose another database, or drop the objects in this one.",
    )


def _foreign(mark: str) -> CheckFailed:
    return CheckFailed(
        "The target database contains an unfinished migration.",
        why=f"It has the mark {mark}, which is not this migration's.",
        fix="Resume or abort that migration, or choose another database.",
    )
