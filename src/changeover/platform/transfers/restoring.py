"""Putting an archive into a database: looked at first, then the database is emptied, then pg_restore reads the stream.

The stream is read once. Its head goes to `pg_restore --list`, which ends when it has the table of contents, and is
then given to the restore proper, followed by the rest.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg import sql

from changeover.errors import ChangeoverError, DiskFull, InvalidParams
from changeover.errors.elsewhere import ConnectionLost
from changeover.errors.transfers import BadBackup, RestoreFailed
from changeover.hosts.programs import owner_ids
from changeover.hosts.users import run_as_for_clients
from changeover.platform.transfers.archive import Contents, Restored
from changeover.platform.transfers.children import Child, database_argument, in_a_thread
from changeover.platform.transfers.dumping import LOST
from changeover.platform.transfers.origins import Opened
from changeover.postgres.clients import client_for, needs_tls
from changeover.postgres.connect import Connection
from changeover.postgres.emptying import empty
from changeover.postgres.installations import Installation
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach

MOST_HEAD_BYTES = 256 * 2**20
LISTED_S = 0.1
AVAILABLE, PRESENT = "SELECT name FROM pg_available_extensions", "SELECT extname FROM pg_extension"
PG_DUMP_MAGIC = b"PGDMP"


@dataclass(frozen=True)
class TargetFacts:
    """What a restore has to know of where it goes."""

    version_num: int
    available: frozenset[str]


async def look_at_target(location: Location, extensions: Sequence[str]) -> TargetFacts:
    """Also tries to make the wished-for extensions, and takes that back. Raises what `reach` does, InvalidParams."""
    async with reach(location, is_read_only=False) as connection:
        available = await _names(connection, AVAILABLE)
        row = await (await connection.execute("SELECT pg_is_in_recovery()")).fetchone()
        if row and row[0]:
            raise InvalidParams(
                f"{location} can't be restored into.", why="It is a follower, and so read-only.",
                fix="Name a database that stands alone.",
            )  # fmt: skip
        try:
            async with connection.transaction(force_rollback=True):
                await _make_extensions(connection, extensions)
        except psycopg.Error as refused:
            raise InvalidParams(
                f"The extensions {', '.join(extensions)} can't be made there.",
                why=str(refused).splitlines()[0], fix="Leave out what the server does not have.",
            ) from None  # fmt: skip
        return TargetFacts(connection.info.server_version, available)


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
    """An opened stream whose table of contents is known; `chunks` begins at its first byte."""

    contents: Contents
    program: Path
    chunks: Iterator[bytes]


def read_archive(
    opened: Opened, target: TargetFacts, location: Location, installations: Sequence[Installation]
) -> Archive:
    """Blocks. Raises BadBackup, also for what the target lacks, and what reading the stream raises."""
    first = client_for(target.version_num, "pg_restore", installations, needs_tls=needs_tls(location))
    newest = max((one for one in installations if one.has_tls or not needs_tls(location)), key=lambda one: one.version)
    head: list[bytes] = []
    contents, program = None, first
    for program in dict.fromkeys((first, newest.bin_directory / "pg_restore")):
        contents, said = _list(program, head, opened.chunks)
        if contents is not None or "unsupported version" not in said:
            break
    if contents is None:
        raise BadBackup(
            "That can't be restored: it is no archive that pg_restore reads.", why=said,
            fix="Make it by `pg_dump --format=custom`; a file of SQL goes through `changeover pg:psql --file`.",
        )  # fmt: skip
    if lacking := contents.lacking(target.available):
        raise BadBackup(
            f"The backup needs extensions that {location} does not have: {', '.join(lacking)}.",
            why="Nothing was changed.", fix="Install them on that server, or restore into another one.",
        )  # fmt: skip
    return Archive(contents, program, itertools.chain(head, opened.chunks))


def _list(program: Path, head: list[bytes], more: Iterator[bytes]) -> tuple[Contents | None, str]:
    """Gives it what is in `head`, then more, until it has what it wants; all that it got is in `head` afterwards."""
    if not head and (chunk := next(more, b"")):
        head.append(chunk)
    if not head or not head[0].startswith(PG_DUMP_MAGIC):
        return None, "It does not begin as an archive of pg_dump's custom format does."
    with tempfile.TemporaryFile() as listing:
        child = Child([program, "--list"], stdin=subprocess.PIPE, stdout=listing)
        try:
            with suppress(BrokenPipeError):
                for chunk in itertools.chain(tuple(head), _kept(more, head)):
                    child.stdin.write(chunk)
                    child.stdin.flush()
                    if child.has_ended(within_s=LISTED_S):
                        break  # it has what it wants, and what comes next may be slow
                child.stdin.close()
            if child.finish() != 0:
                return None, child.complaint()
        finally:
            child.close()
        listing.seek(0)
        return Contents.parse(listing.read().decode(errors="replace")), ""


def _kept(chunks: Iterator[bytes], head: list[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        head.append(chunk)
        if sum(map(len, head)) > MOST_HEAD_BYTES:
            raise BadBackup("That can't be restored.", why=f"Its table of contents exceeds {MOST_HEAD_BYTES} bytes.")
        yield chunk


async def make_room(location: Location) -> None:
    """Empties the database, as its owner."""
    async with reach(location, is_read_only=False, statement_timeout_s=0) as connection:
        await empty(connection)


async def furnish(location: Location, extensions: Sequence[str]) -> frozenset[str]:
    """Makes the wished-for extensions, as the owner; all that are there then."""
    async with reach(location, is_read_only=False, statement_timeout_s=0) as connection:
        await _make_extensions(connection, extensions)
        return await _names(connection, PRESENT)


def schemas_of(extensions: Iterable[str], *, wished: Iterable[str]) -> dict[str, str]:
    """Where each belongs: an archive's list does not say it, so where it is wished for, else in public."""
    named = (one.rpartition(".") for one in (*extensions, *wished))
    return {name: schema or "public" for schema, _, name in named}


def restore_arguments(program: Path, location: Location, transfer: UUID, wanted: Path) -> Sequence[str | Path]:
    """Runs nothing. Everything will belong to the role of `location`."""
    return [
        program, "--format=custom", "--verbose", "--no-password", "--no-owner", "--no-acl", f"--use-list={wanted}",
        database_argument(location, transfer),
    ]  # fmt: skip


class Restore:
    """A restore under way into an empty database. `wanted` is the file with the list, which it removes in the end."""

    def __init__(
        self, archive: Archive, location: Location, transfer: UUID, *, present: frozenset[str], wanted: Path
    ) -> None:
        self.heard, self.bytes_done = Restored(), 0
        self._archive, self._location, self._wanted = archive, location, wanted
        _write_for(run_as_for_clients(), wanted, archive.contents.to_restore(present=present))
        self._child = Child(
            restore_arguments(archive.program, location, transfer, wanted), location=location,
            on_line=self.heard.hear, stdin=subprocess.PIPE,
        )  # fmt: skip

    async def run(self, opened: Opened) -> Restored:
        """To its end. Raises RestoreFailed, DiskFull, ConnectionLost, and what reading the stream raises."""

        def give_up() -> None:
            opened.give_up()
            self._child.end()

        try:
            await in_a_thread(self._feed, give_up=give_up)
        finally:
            self._child.close()
            self._wanted.unlink(missing_ok=True)
        async with reach(self._location, is_read_only=False, statement_timeout_s=0) as connection:
            await connection.execute("ANALYZE")
        return self.heard

    def _feed(self) -> None:
        with suppress(BrokenPipeError), self._told_of_its_end():
            for chunk in self._archive.chunks:
                self._child.stdin.write(chunk)
                self.bytes_done += len(chunk)
            self._child.stdin.close()
        code = self._child.finish()
        if self.heard.failures or (code != 0 and not self.heard.is_complete):
            raise self._failure()

    @contextmanager
    def _told_of_its_end(self) -> Iterator[None]:
        """What ends the stream, and will again, is the restore's failure."""
        try:
            yield
        except ChangeoverError as error:
            if error.retryable:
                raise
            raise RestoreFailed(self._what, why=f"{error.what} {error.why}", fix=error.fix) from None

    @property
    def _what(self) -> str:
        return f"The restore into {self._location} failed: the database holds a part of the backup now."

    def _failure(self) -> ChangeoverError:
        failures = self.heard.failures
        why = "; ".join(failures[:3]) if failures else self._child.complaint()
        what = self._what
        if len(failures) > 3:
            why += f"; and {len(failures) - 3} more"
        if "No space left on device" in why:
            return DiskFull(what, why=why, fix="Make room on the server's disk, then restore again.")
        if LOST.search(why):
            return ConnectionLost(what, why=why, fix="It is tried again from the beginning.")
        return RestoreFailed(what, why=why, fix="Mend what pg_restore names, and restore again: it begins anew.")


def _write_for(user: str | None, path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.parent.chmod(0o711)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(re.sub(r"\0", "", text))
    if user is not None:
        os.chown(path, *owner_ids(user))
