"""Prints definitions that differ between the sides again, after one server has parsed both.

PostgreSQL prints some definitions differently after a dump and restore although they mean the same, such as `s IN ('a', 'b')`
on a varchar column. So both schemas are created on one scratch server and printed again. Only real differences remain.
See docs/adr/0026-definitions-are-read-again.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import psycopg

from changeover.postgres.comparing.dumps import Entry, Thing, dump_arguments, dump_schema, entries_in, things_in
from changeover.postgres.comparing.normalising import normalised
from changeover.postgres.comparing.scratch_server import ExtensionPlace, Prerequisites, ScratchServer
from changeover.postgres.comparing.sides import Side, together
from changeover.postgres.connect import Connection
from changeover.postgres.reaching import reach

ROUNDS: Final = 3
"""The maximum number of rounds, while each round still changes the text."""
REPRINTED: Final = frozenset({
    "TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW", "INDEX", "CONSTRAINT", "CHECK CONSTRAINT", "DEFAULT", "POLICY",
    "TRIGGER", "RULE", "STATISTICS", "DOMAIN", "FUNCTION", "PROCEDURE", "TABLE ATTACH",
})  # fmt: skip
"""Types of objects that PostgreSQL prints from their parsed form, not as typed."""
SKIPPED: Final = frozenset({
    "EXTENSION", "COMMENT", "ACL", "DEFAULT ACL", "EVENT TRIGGER", "PUBLICATION", "PUBLICATION TABLE", "SUBSCRIPTION",
    "PUBLICATION TABLES IN SCHEMA", "SECURITY LABEL",
})  # fmt: skip
"""No other object depends on these."""
STATEMENT_S: Final = 60
SESSION: Final = (
    "SET search_path = ''", "SET check_function_bodies = off", "SET client_min_messages = error",
    "SET standard_conforming_strings = on", "SET xmloption = content", "SET row_security = off",
)  # fmt: skip
ROLES: Final = """
SELECT r.rolname::text FROM pg_policy p, unnest(p.polroles) AS role JOIN pg_roles r ON r.oid = role
UNION SELECT r.rolname::text FROM pg_user_mappings m JOIN pg_roles r ON r.oid = m.umuser
"""
EXTENSIONS: Final = """
SELECT x.extname::text, x.extversion, n.nspname::text FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
 WHERE x.extname <> 'plpgsql' ORDER BY 1
"""


@dataclass(frozen=True)
class Definitions:
    """A schema as text, and what must exist before it can be created."""

    entries: tuple[Entry, ...]
    needed: Prerequisites

    @property
    def things(self) -> dict[Thing, str]:
        return things_in(self.entries)


@dataclass(frozen=True)
class ReadAgain:
    """Both schemas as printed by one server."""

    source: dict[Thing, str]
    target: dict[Thing, str]
    refused: dict[Thing, str]
    """Objects that could not be created there, from either side, and why."""


async def definitions_of(side: Side, dump: str) -> Definitions:
    """`dump` has no owners and rights: those are compared as they are."""
    roles = tuple(name for (name,) in await side.rows(ROLES))
    extensions = tuple(ExtensionPlace(*row) for row in await side.rows(EXTENSIONS))
    encoding = "SQL_ASCII" if side.encoding == "SQL_ASCII" else "UTF8"
    wrappers = tuple(name for (name,) in await side.rows("SELECT fdwname::text FROM pg_foreign_data_wrapper"))
    return Definitions(tuple(entries_in(dump)), Prerequisites(encoding, extensions, roles, wrappers))


async def read_again(
    server: ScratchServer, source: Definitions, target: Definitions, doubtful: Iterable[Thing]
) -> ReadAgain:
    """Parse and print both schemas until the texts of `doubtful` are equal, or until they no longer change."""
    wanted = list(doubtful)
    here, there = source, target
    refused: dict[Thing, str] = {}
    for turn in range(ROUNDS):
        (new_here, first), (new_there, second) = await together(
            _printed(server, f"source_{turn}", here), _printed(server, f"target_{turn}", there)
        )
        refused = {**second, **first, **refused}
        is_settled = all(_alike(thing, new_here, new_there) for thing in wanted) or all(
            _alike(thing, here, new_here) and _alike(thing, there, new_there) for thing in wanted
        )
        here, there = new_here, new_there
        if is_settled:
            break
    return ReadAgain(here.things, there.things, refused)


def _alike(thing: Thing, one: Definitions, other: Definitions) -> bool:
    return normalised(thing, one.things.get(thing, "")) == normalised(thing, other.things.get(thing, ""))


async def _printed(server: ScratchServer, name: str, wanted: Definitions) -> tuple[Definitions, dict[Thing, str]]:
    location = await server.database(name, wanted.needed)
    refused: dict[Thing, str] = {}
    async with reach(location, is_read_only=False, statement_timeout_s=STATEMENT_S) as session:
        await session.execute(f"SET client_encoding = '{wanted.needed.encoding}'")
        for setting in SESSION:
            await session.execute(setting)
        for entry in wanted.entries:
            if entry.thing.type not in SKIPPED and (said := await _refused(session, entry)):
                refused.setdefault(entry.thing, said)
    program: Path = server.cluster.bin_directory / "pg_dump"
    arguments = dump_arguments(
        program, encoding=wanted.needed.encoding, snapshot="", skip_schemas=(), compares_owners=False
    )
    dump = await dump_schema(arguments, location)
    return replace(wanted, entries=await asyncio.to_thread(lambda: tuple(entries_in(dump)))), refused


async def _refused(session: Connection, entry: Entry) -> str:
    """The server's error, or empty when the object was created."""
    try:
        await session.execute(entry.text.encode("utf-8", "surrogateescape"))
    except psycopg.Error as failure:
        if session.closed:
            raise
        return " ".join(str(failure).split())
    return ""
