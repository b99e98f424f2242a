"""Restores an archive into a database: inspects the archive, empties the database, then streams it to pg_restore.

The stream is read once. Its beginning is parsed for the table of contents, then passed to pg_restore together with the rest.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import subprocess
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg import sql

from changeover.errors import ChangeoverError, DiskFull, InvalidParams, NoInstallation
from changeover.errors.elsewhere import ConnectionLost
from changeover.errors.transfers import BadBackup, RestoreFailed
from changeover.hosts.programs import owner_ids
from changeover.hosts.users import run_as_for_clients
from changeover.platform.transfers.archive import DISPENSABLE, Contents, Present, Restored
from changeover.platform.transfers.children import Child, database_argument, in_a_thread
from changeover.platform.transfers.completeness import missing, require_nothing_missing
from changeover.platform.transfers.dumping import LOST
from changeover.platform.transfers.left_out import out_of_reach
from changeover.platform.transfers.origins import Opened, Origin
from changeover.postgres.clients import client_for, needs_tls
from changeover.postgres.connect import Connection
from changeover.postgres.emptying import empty
from changeover.postgres.extension_members import read_members
from changeover.postgres.installations import Installation
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach
from changeover.postgres.toc import GZIP, Head, NotRead, read_head

MOST_HEAD_BYTES = 256 * 2**20
AVAILABLE, EXTENSIONS = "SELECT name FROM pg_available_extensions", "SELECT extname FROM pg_extension"
SCHEMAS = "SELECT nspname FROM pg_namespace"
IS_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"


@dataclass(frozen=True)
class TargetFacts:
    """What a restore needs to know about its target."""

    version_num: int
    available: frozenset[str]


async def look_at_target(location: Location, extensions: Sequence[str]) -> TargetFacts:
    """Also tries to create the requested extensions and rolls back. Raises what `reach` raises, and InvalidParams."""
    async with reach(location, is_read_only=False) as connection:
        available = await _names(connection, AVAILABLE)
        row = await (await connection.execute("SELECT pg_is_in_recovery()")).fetchone()
        if row and row[0]:
            raise InvalidParams(
                f"{location} can't be restored into.", why="It is a follower, and so read-only.",
                fix="Choose a database that is not a follower.",
            )  # fmt: skip
        try:
            async with connection.transaction(force_rollback=True):
                await _make_extensions(connection, extensions)
        except psycopg.Error as refused:
            raise InvalidParams(
                f"The extensions {', '.join(extensions)} can't be created there.",
                why=str(refused).splitlines()[0], fix="Leave out what the server does not have.",
            ) from None  # fmt: skip
        return TargetFacts(connection.info.server_version, available)


async def require_in_reach(location: Location, contents: Contents, *, made_for_it: Collection[str]) -> None:
    """Raises BadBackup if the target's role can't create something. We create the extensions in `made_for_it`.

    Tries each other extension, and rolls back.
    """
    refused = []
    async with reach(location, is_read_only=False) as connection:
        there = await _names(connection, EXTENSIONS)
        row = await (await connection.execute(IS_SUPERUSER)).fetchone()
        for name in contents.extensions.keys() - there - DISPENSABLE - set(made_for_it):
            try:
                async with connection.transaction(force_rollback=True):
                    await connection.execute(sql.SQL("CREATE EXTENSION {} CASCADE").format(sql.Identifier(name)))
            except psycopg.errors.InsufficientPrivilege:
                refused.append(name)
            except psycopg.Error:
                continue  # conflicts with existing objects disappear when the database is emptied
    if lost := out_of_reach(contents, refused=refused, is_superuser=row == (True,)):
        raise BadBackup(
            f"The backup can't be restored completely into {location}: its role can't create {lost}.",
            why="Nothing was changed.",
            fix="Let a superuser create these, or leave them out. `changeover migrate` as a superuser copies them.",
        )  # fmt: skip


async def _names(connection: Connection, query: str) -> frozenset[str]:
    return frozenset(name for (name,) in await (await connection.execute(query.encode())).fetchall())


async def _make_extensions(connection: Connection, extensions: Iterable[str]) -> None:
    """Each is NAME, or SCHEMA.NAME."""
    for wished in extensions:
        schema, _, name = wished.rpartition(".")
        place = schema or "public"
        if schema:
            await connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        statement = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {} CASCADE")
        await connection.execute(statement.format(sql.Identifier(name), sql.Identifier(place)))


@dataclass
class Archive:
    """An open stream with a parsed table of contents. `chunks` starts at the first byte."""

    contents: Contents
    program: Path
    chunks: Iterator[bytes]


class _Kept:
    """Remembers in `head` what was read from a stream. Raises BadBackup when that gets too large."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.head: list[bytes] = []
        self._chunks, self._chunk, self._size = chunks, io.BytesIO(), 0

    def read(self, count: int, /) -> bytes:
        """Returns fewer bytes only at the end."""
        taken = self._chunk.read(count)
        while len(taken) < count and (chunk := next(self._chunks, b"")):
            self.head.append(chunk)
            self._size += len(chunk)
            if self._size > MOST_HEAD_BYTES:
                raise BadBackup(
                    "The backup can't be restored.", why=f"Its table of contents exceeds {MOST_HEAD_BYTES} bytes."
                )
            self._chunk = io.BytesIO(chunk)
            taken += self._chunk.read(count - len(taken))
        return taken


def read_archive(
    opened: Opened, target: TargetFacts, location: Location, installations: Sequence[Installation]
) -> Archive:
    """Blocks. Raises BadBackup, also if the target lacks something, and the errors of the stream."""
    kept = _Kept(opened.chunks)
    try:
        head = read_head(kept)
    except NotRead as said:
        raise BadBackup(
            "The backup can't be restored: it is not an archive that pg_restore can read.", why=str(said),
            fix="Create it with `pg_dump --format=custom`. Run a file of SQL with `changeover pg:psql --file`.",
        ) from None  # fmt: skip
    contents = Contents.of(head)
    if lacking := contents.lacking(target.available):
        raise BadBackup(
            f"The backup needs extensions that {location} does not have: {', '.join(lacking)}.",
            why="Nothing was changed.", fix="Install them on that server, or restore into another one.",
        )  # fmt: skip
    program = _reader_of(head, target, location, installations)
    _require_readable(program, head, kept.head)
    return Archive(contents, program, itertools.chain(kept.head, opened.chunks))


def _reader_of(head: Head, target: TargetFacts, location: Location, installations: Sequence[Installation]) -> Path:
    """The pg_restore of the target's major version, or a newer one if the archive needs it."""
    needed = max(target.version_num, head.needs_major * 10000)
    try:
        return client_for(needed, "pg_restore", installations, needs_tls=needs_tls(location))
    except NoInstallation as lacking:
        raise BadBackup(
            f"No pg_restore on this host can read the archive: it was created by PostgreSQL {head.needs_major} or newer.",
            why=lacking.what, fix="Install that PostgreSQL's client programs on the control plane's host.",
        ) from None  # fmt: skip


def _require_readable(program: Path, head: Head, read: Sequence[bytes]) -> None:
    """Without the archive's compression, pg_restore would only fail at the first rows. Raises BadBackup."""
    if head.compression <= GZIP:
        return
    child = Child([program, "--list"], stdin=subprocess.PIPE)
    try:
        with suppress(BrokenPipeError):
            for chunk in read:
                child.stdin.write(chunk)
            child.stdin.close()
        code = child.finish()
        said = child.complaint()
    finally:
        child.close()
    if code != 0 or "does not support compression" in said:
        raise BadBackup(
            "The backup has a compression that pg_restore on this host does not support.", why=said,
            fix="Create it with `pg_dump --compress=gzip`, or install a PostgreSQL built with that compression.",
        )  # fmt: skip


@asynccontextmanager
async def archive_of(
    origin: Origin, target: TargetFacts, location: Location, installations: Sequence[Installation]
) -> AsyncIterator[tuple[Archive, Opened]]:
    """Open the origin and read its table of contents. Closes it at the end. Raises what `read_archive` raises."""
    opening = origin.open()
    opened = await in_a_thread(opening.__enter__, give_up=lambda: None)
    try:
        archive = await in_a_thread(
            lambda: read_archive(opened, target, location, installations), give_up=opened.give_up
        )
        yield archive, opened
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)


async def make_room(location: Location) -> None:
    """Empties the database, as its owner."""
    async with reach(location, is_read_only=False, statement_timeout_s=0) as connection:
        await empty(connection)


async def furnish(location: Location, extensions: Sequence[str]) -> Present:
    """Create the requested extensions as the owner. Returns what exists then."""
    async with reach(location, is_read_only=False, statement_timeout_s=0) as connection:
        await _make_extensions(connection, extensions)
        return Present(await _names(connection, EXTENSIONS), await _names(connection, SCHEMAS))


def schemas_of(contents: Contents, *, wished: Iterable[str]) -> dict[str, str]:
    """The schema of each extension: as requested, else as in the archive."""
    named = (one.rpartition(".") for one in wished)
    return contents.extensions | {name: schema or "public" for schema, _, name in named}


def restore_arguments(program: Path, location: Location, transfer: UUID, wanted: Path) -> Sequence[str | Path]:
    """Pure. Everything will belong to the role of `location`."""
    return [
        program, "--format=custom", "--verbose", "--no-password", "--no-owner", "--no-acl", f"--use-list={wanted}",
        database_argument(location, transfer),
    ]  # fmt: skip


class Restore:
    """A running restore into an empty database. `wanted` is a file for the list of entries, removed at the end."""

    def __init__(self, archive: Archive, location: Location, transfer: UUID, *, present: Present, wanted: Path) -> None:
        self.heard, self.bytes_done = Restored(archive.contents.kinds), 0
        self._archive, self._location, self._wanted = archive, location, wanted
        self._entries = archive.contents.wanted(present)
        _write_for(run_as_for_clients(), wanted, "".join(f"{entry.number};\n" for entry in self._entries))
        self._child = Child(
            restore_arguments(archive.program, location, transfer, wanted), location=location,
            on_line=self.heard.hear, stdin=subprocess.PIPE,
        )  # fmt: skip

    async def run(self, opened: Opened) -> Restored:
        """Runs it to the end. Raises RestoreFailed, DiskFull, ConnectionLost, and the errors of the stream."""

        def give_up() -> None:
            opened.give_up()
            self._child.end()

        try:
            await in_a_thread(self._feed, give_up=give_up)
        finally:
            self._child.close()
            self._wanted.unlink(missing_ok=True)
        async with reach(self._location, is_read_only=False, statement_timeout_s=0) as connection:
            require_nothing_missing(await missing(connection, self._entries), self._what)
            self.heard.members = await read_members(connection)
            await self._analyze(connection)
        return self.heard

    async def _analyze(self, connection: Connection) -> None:
        """An error, for example of an unreachable foreign server, loses statistics but no data."""
        try:
            await connection.execute("ANALYZE")
        except psycopg.Error as refused:
            said = (refused.diag.message_primary or type(refused).__name__).strip()
            self.heard.warnings.append(f"ANALYZE: not all statistics could be gathered: {said}")

    def _feed(self) -> None:
        with suppress(BrokenPipeError), self._told_of_its_end():
            for chunk in self._archive.chunks:
                self._child.stdin.write(chunk)
                self.bytes_done += len(chunk)
            self._child.stdin.close()
        code = self._child.finish()
        if self.heard.failures or (code != 0 and not self.heard.is_explained):
            raise self._failure()

    @contextmanager
    def _told_of_its_end(self) -> Iterator[None]:
        """A permanent error of the stream makes the restore fail."""
        try:
            yield
        except ChangeoverError as error:
            if error.retryable:
                raise
            raise RestoreFailed(self._what, why=f"{error.what} {error.why}", fix=error.fix) from None

    @property
    def _what(self) -> str:
        return f"The restore into {self._location} failed: the database now contains a part of the backup."

    def _failure(self) -> ChangeoverError:
        failures = self.heard.failures
        why = "; ".join(failures[:3]) if failures else self._child.complaint()
        what = self._what
        if len(failures) > 3:
            why += f", and {len(failures) - 3} more"
        if "No space left on device" in why:
            return DiskFull(what, why=why, fix="Free some space on the server's disk, then restore again.")
        if LOST.search(why):
            return ConnectionLost(what, why=why, fix="It is tried again from the beginning.")
        return RestoreFailed(
            what,
            why=why,
            fix=f"Fix the problem that pg_restore reports, then restore again. It starts over.{another_way(failures)}",
        )


def another_way(failures: Iterable[str]) -> str:
    """For rows that violate a constraint: it reads a later part of the archive, or they violate it on the source too. Pure."""
    if not any(one.startswith(("TABLE DATA: ", "FK CONSTRAINT: ")) for one in failures):
        return ""
    return (
        " If a constraint rejects rows because it reads other tables, use `changeover migrate`, which adds it last."
        " If rows of the source violate it, `changeover check SOURCE` shows a query that lists them, and the statement that"
        " makes it NOT VALID."
    )


def _write_for(user: str | None, path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.parent.chmod(0o711)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if user is not None:
        os.chown(path, *owner_ids(user))
