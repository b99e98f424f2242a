"""Dumps a database as a stream in pg_dump's custom format, into the bucket or directly into a restore."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from changeover.errors import ChangeoverError
from changeover.errors.elsewhere import ConnectionLost, LoginRefused
from changeover.errors.transfers import BackupFailed
from changeover.platform.transfers.archive import Dumped
from changeover.platform.transfers.bucket import READ_BYTES, Bucket
from changeover.platform.transfers.children import Child, database_argument, in_a_thread
from changeover.postgres.connect import Connection
from changeover.postgres.emptying import RESERVED_SCHEMAS
from changeover.postgres.excluding import Name
from changeover.postgres.extension_members import Member, read_members
from changeover.postgres.location import Location
from changeover.postgres.partition_trees import TREES
from changeover.postgres.reaching import reach
from changeover.postgres.running import exactly
from changeover.postgres.self_reading import WITH_READERS

LOCK_WAIT_MS = 60_000
LOST = re.compile(
    r"server closed the connection|connection to server .* failed|terminating connection|SSL SYSCALL error"
)
TABLE_BYTES = """
SELECT nspname || '.' || main.relname, (main.relpages + coalesce(toast.relpages, 0))::bigint * 8192
  FROM pg_class AS main JOIN pg_namespace ON pg_namespace.oid = main.relnamespace
       LEFT JOIN pg_class AS toast ON toast.oid = main.reltoastrelid
 WHERE main.relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
"""
"""From statistics: reading file sizes would wait for locked tables."""
HIDING = """
SELECT format('%%I.%%I', nspname, relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
 WHERE relkind IN ('r', 'p') AND nspname <> ALL (%s) AND row_security_active(c.oid) ORDER BY 1
"""
"""Tables with policies that hide rows from the role. pg_dump refuses them when it reaches their rows."""


@dataclass(frozen=True)
class SourceFacts:
    """Facts collected before a dump. `table_bytes` by `schema.table`, unquoted, as pg_dump prints them."""

    version_num: int
    bytes: int
    table_bytes: dict[str, int]
    members: frozenset[Member] = frozenset()
    """Members of extensions."""
    impossible_views: tuple[Name, ...] = ()
    """Views that read themselves, and views that read them. A restore can't create them."""
    loads_through_root: bool = False
    """Rows of some partitions belong to others after a restore. pg_dump itself only handles that for enums."""


async def look_at_source(location: Location) -> SourceFacts:
    """Raises ServerUnreachable, LoginRefused, NotTrusted, PooledAddress, and BackupFailed if row security hides rows."""
    async with reach(location, statement_timeout_s=120) as connection:
        if hiding := await (await connection.execute(HIDING, [list(RESERVED_SCHEMAS)])).fetchall():
            named = ", ".join(name for (name,) in hiding[:5]) + (", …" if len(hiding) > 5 else "")
            raise BackupFailed(
                f"{location} can't be dumped completely.", why=f"Row level security hides rows from its role: {named}.",
                fix="Use a role with BYPASSRLS. For tables of the role's own: ALTER TABLE … NO FORCE ROW LEVEL SECURITY.",
            )  # fmt: skip
        row = await (await connection.execute("SELECT pg_database_size(current_database())")).fetchone()
        tables = await (await connection.execute(TABLE_BYTES)).fetchall()
        members = await read_members(connection)
        trees = await (await connection.execute(TREES, {"encodings_differ": not await _is_utf8(connection)})).fetchall()
        views = await (await connection.execute(WITH_READERS)).fetchall()
        return SourceFacts(
            connection.info.server_version, int(row[0]) if row else 0, dict(tables), members,
            tuple((schema, name) for schema, name in views), loads_through_root=bool(trees),
        )  # fmt: skip


async def _is_utf8(connection: Connection) -> bool:
    """Like every database of ours."""
    row = await (await connection.execute("SELECT current_setting('server_encoding') = 'UTF8'")).fetchone()
    return bool(row and row[0])


def dump_arguments(program: Path, location: Location, transfer: UUID, facts: SourceFacts) -> Sequence[str | Path]:
    """Pure. Leaves out our own schemas. A lock that is held too long ends the dump instead of blocking it."""
    return [
        program,
        "--format=custom",
        "--verbose",
        "--no-password",
        "--no-subscriptions",
        *(["--load-via-partition-root"] if facts.loads_through_root else []),
        *(f"--exclude-table={exactly(schema)}.{exactly(name)}" for schema, name in facts.impossible_views),
        f"--lock-wait-timeout={LOCK_WAIT_MS}",
        *(f"--exclude-schema={name}" for name in RESERVED_SCHEMAS),
        database_argument(location, transfer),
    ]


class Dump:
    """A running dump: `chunks` is its stream, `heard` its progress."""

    def __init__(self, program: Path, location: Location, transfer: UUID, facts: SourceFacts) -> None:
        self.heard = Dumped(facts.table_bytes)
        self._location = location
        self._child = Child(
            dump_arguments(program, location, transfer, facts),
            location=location,
            on_line=self.heard.hear,
            stdout=subprocess.PIPE,
        )

    def chunks(self) -> Iterator[bytes]:
        """Ends normally only on success. Otherwise raises BackupFailed, ConnectionLost, LoginRefused."""
        while chunk := self._child.stdout.read(READ_BYTES):
            self.heard.written += len(chunk)
            yield chunk
        if self._child.finish() != 0:
            raise self._failure()

    def give_up(self) -> None:
        self._child.end()

    def close(self) -> None:
        self._child.close()

    def _failure(self) -> ChangeoverError:
        what, why = f"{self._location} could not be dumped.", self._child.complaint()
        if LOST.search(why):
            return ConnectionLost(what, why=why, fix="It is tried again from the beginning.")
        if "authentication failed" in why:
            return LoginRefused(what, why=why, fix="Check user and password.")
        return BackupFailed(what, why=why, fix=_remedy(why))


def _remedy(why: str) -> str:
    if "lock" in why:
        return "Another session has locked a table (`changeover pg:locks`). Wait until it ends, then try again."
    if "permission denied" in why:
        return "The database's user must be able to read everything in it. Grant it access, or drop what it can't read."
    return "Fix the problem that pg_dump reports, then try again."


@contextmanager
def dumping(program: Path, location: Location, transfer: UUID, facts: SourceFacts) -> Iterator[Dump]:
    """The program has ended when the block is left, for any reason."""
    dump = Dump(program, location, transfer, facts)
    try:
        yield dump
    finally:
        dump.close()


async def dump_into(bucket: Bucket, key: str, dump: Dump, facts: SourceFacts) -> None:
    """Store the whole dump as one object, or nothing. The program's exit code is known before the upload is completed."""
    await in_a_thread(
        lambda: bucket.put(key, dump.chunks(), about_bytes=facts.bytes), give_up=dump.give_up
    )  # fmt: skip
