"""The steps of backups, restores and copies.

Each step first ends what a dead predecessor left, then starts over, because a dump or restore can't be resumed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from changeover.errors import ChangeoverError, RunCancelled
from changeover.errors.transfers import BackupFailed
from changeover.platform.locations import kept_location, location_of
from changeover.platform.scope import Parts
from changeover.platform.servers import server_of
from changeover.platform.transfers import records
from changeover.platform.transfers.children import end_children
from changeover.platform.transfers.dumping import Dump, dump_into, look_at_source
from changeover.platform.transfers.keeping import after_backup
from changeover.platform.transfers.left_out import left_out, members_left_out, rights_left_out, views_left_out
from changeover.platform.transfers.origins import FromDatabase, Opened, Origin
from changeover.platform.transfers.people import origin_of_restore
from changeover.platform.transfers.restoring import (
    Archive,
    Restore,
    archive_of,
    furnish,
    look_at_target,
    make_room,
    require_in_reach,
    schemas_of,
)
from changeover.postgres.clients import client_for, clients_for, needs_tls
from changeover.postgres.extensions import FOR_OWNERS
from changeover.postgres.installations import find_installations
from changeover.postgres.location import Location
from changeover.postgres.progress import Progress
from changeover.runs.run import Advance, Outcome, Run, Step, Workflow
from changeover.store import query
from changeover.store.rows import Database, RunRow
from changeover.store.transfer_rows import TransferLogRow, TransferRow

LOOK_S = 0.5
LONGEST_S = 7 * 86400.0
RETRIES = 3
EMPTYING = "Emptying"
Result = TypeVar("Result")
Look = Callable[[], tuple[int, Progress]]
"""The progress of the work: bytes of the archive so far, and what is shown."""


class Transferring:
    """The steps. The undo of the first one reports the end and removes leftovers. A restore can't be undone."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def workflows(self) -> tuple[Workflow, ...]:
        look = Step("look", self.look, "Inspect the backup and the database; change nothing", undo=self.close,
                    deadline_s=LONGEST_S, most_retries=RETRIES)  # fmt: skip
        restore = Step("restore", self.restore, "Empty the database and restore it", undo=self.say_what_is_left,
                       deadline_s=LONGEST_S, most_retries=RETRIES)  # fmt: skip
        dump = Step("dump", self.dump, "Dump the database into the bucket", undo=self.close, deadline_s=LONGEST_S,
                    most_retries=RETRIES)  # fmt: skip
        keep = Step("keep", self.keep, "Remove backups that the plan no longer keeps")
        return (
            Workflow("backup", (dump, keep), comes_last=True),
            Workflow("restore", (look, restore)),
            Workflow("copy", (look, restore)),
        )

    async def close(self, run: Run) -> None:
        """Of a failed or cancelled transfer, only its log is kept."""
        row = await transfer_of(run)
        await end_children(row.id)
        self._list_of(row).unlink(missing_ok=True)
        if row.finished_at is not None:
            return
        left = await self._remove_object(row)
        async with run.transaction() as db:
            if row.cancelled_at is not None:
                await records.say(db, row.id, "Cancelled.")
            if left:
                await records.say(db, row.id, left, "error")
            await records.finish(db, row.id, is_succeeded=False)

    async def _remove_object(self, row: TransferRow) -> str:
        """What can't be removed now is removed by the hourly cleanup. Empty when nothing is left."""
        if row.object_key is None:
            return ""
        try:
            await asyncio.to_thread(self._parts.bucket.remove, row.object_key)
        except ChangeoverError as error:
            return f"It will be removed later: {error.why}"
        return ""

    # -- into the bucket

    async def dump(self, run: Run) -> Outcome:
        row = await transfer_of(run)
        if row.is_succeeded:
            return Advance("it was already complete")
        async with self._telling(run, row):
            await end_children(row.id)
            if row.addon_id is None or row.object_key is None:
                raise BackupFailed("There is nothing to back up.", why="The backup's database no longer exists.")
            location = await location_of(run.db, self._parts, row.addon_id)
            facts = await look_at_source(location)
            program = client_for(
                facts.version_num, "pg_dump", find_installations(self._parts.installations),
                needs_tls=needs_tls(location),
            )  # fmt: skip
            await self._begin(run, row, facts.bytes, f"Dumping {facts.bytes:,} bytes by {program}")
            with closing(await asyncio.to_thread(Dump, program, location, row.id, facts)) as dump:
                look = _paced(lambda: (dump.heard.written, Progress(
                    "dump", dump.heard.says, dump.heard.tables_done, len(facts.table_bytes),
                    dump.heard.bytes_done, dump.heard.bytes_total,
                )))  # fmt: skip
                await watched(
                    run, row.name, dump_into(self._parts.bucket, row.object_key, dump, facts),
                    lambda: _show(run, row, *look()),
                )  # fmt: skip
            async with run.transaction() as db:
                await records.say(db, row.id, f"Complete: {dump.heard.written:,} bytes in {self._parts.bucket.url}")
                lost = views_left_out(facts.impossible_views)
                for one in lost:
                    await records.say(
                        db, row.id, f"Not backed up: {one}. Such a view can't be created with SQL.", "warning"
                    )
                await records.finish(
                    db, row.id, is_succeeded=True, warnings=len(lost), processed_bytes=dump.heard.written
                )
        return Advance(f"{dump.heard.written:,} bytes")

    async def keep(self, run: Run) -> Outcome:
        async with run.transaction() as db:
            started = await after_backup(db, self._parts, await transfer_of(run))
        await self._parts.tick(started)
        return Advance()

    # -- restoring and copying

    async def look(self, run: Run) -> Outcome:
        """Finds everything that would make the restore impossible while the database is still unchanged."""
        row = await transfer_of(run)
        async with self._telling(run, row):
            await end_children(row.id)
            location = await self._target(run, row)
            async with self._opened(run, row, location) as (archive, opened):
                opened.give_up()
            is_ours = await self._own_target(run, row) is not None
            await require_in_reach(location, archive.contents, made_for_it=FOR_OWNERS if is_ours else ())
            contents = archive.contents
            source_bytes = opened.database_bytes or opened.bytes_total or None
            await self._begin(run, row, source_bytes, f"Found an archive of {contents.tables} tables")
        return Advance(f"{contents.tables} tables")

    async def restore(self, run: Run) -> Outcome:
        row = await transfer_of(run)
        if row.is_succeeded:  # never run it twice: clients may have written to it since
            return Advance("it was already complete")
        async with self._telling(run, row):
            await end_children(row.id)
            location = await self._target(run, row)
            async with self._opened(run, row, location) as (archive, opened):
                await self._say(run, row, f"{EMPTYING} {row.to_name}: its former contents are now gone")
                await make_room(location)
                await self._make_extensions(run, row, archive)
                present = await furnish(location, row.extensions)
                wanted = self._list_of(row)
                restore = await asyncio.to_thread(Restore, archive, location, row.id, present=present, wanted=wanted)
                look = _paced(lambda: (restore.bytes_done, Progress(
                    "restore", restore.heard.says, restore.heard.tables_done, archive.contents.tables_with_data,
                    restore.bytes_done, opened.bytes_total,
                )))  # fmt: skip
                restored = await watched(run, row.name, restore.run(opened), lambda: _show(run, row, *look()))
            lost = [
                *left_out(archive.contents, present), *members_left_out(opened.members, restored.members),
                *views_left_out(opened.impossible_views),
            ]  # fmt: skip
            warnings = [*restored.warnings, *_not_restored(lost)]
            async with run.transaction() as db:
                if rights := rights_left_out(archive.contents):
                    await records.say(db, row.id, f"Everything belongs to {location.user}. Not restored: {rights}")
                for warning in warnings:
                    await records.say(db, row.id, warning, "warning")
                await records.say(db, row.id, f"Complete: {archive.contents.tables} tables restored")
                await records.finish(
                    db, row.id, is_succeeded=True, warnings=len(warnings), processed_bytes=restore.bytes_done
                )
        return Advance(f"{archive.contents.tables} tables")

    async def say_what_is_left(self, run: Run) -> None:
        """The former contents can't be restored. But make sure that the present ones are not taken for complete."""
        row = await transfer_of(run)
        log = await query.rows(run.db, TransferLogRow, "transfers.log", id=row.id)
        if row.finished_at is None and any(line.message.startswith(EMPTYING) for line in log):
            await self._say(
                run, row, f"It ended before it was complete: {row.to_name} contains a part of it, or nothing", "error"
            )

    async def _make_extensions(self, run: Run, row: TransferRow, archive: Archive) -> None:
        """Creates extensions that the owner may not, if the database is on one of our servers."""
        database = await self._own_target(run, row)
        if database is None:
            return
        server = await server_of(run.db, database.server_name)
        wanted = schemas_of(archive.contents, wished=row.extensions)
        owner = (await location_of(run.db, self._parts, database.addon_id)).user
        made = await self._parts.engine.make_extensions(server, database.database_name, owner, wanted)
        if made:
            await self._say(run, row, f"Created {', '.join(made)}, which the owner may not create")

    async def _own_target(self, run: Run, row: TransferRow) -> Database | None:
        """The database, if it is on one of our servers. A copy may also refer to such a database by its address."""
        if row.addon_id is None:
            return None
        database = await query.one(run.db, Database, "databases.find", addon_id=row.addon_id)
        if database is None or database.is_external:
            return None
        own = await location_of(run.db, self._parts, row.addon_id)
        target = kept_location(self._parts, row.to_url) if row.to_url is not None else own
        is_it = (target.host, target.port, target.database) == (own.host, own.port, own.database)
        return database if is_it else None

    async def _target(self, run: Run, row: TransferRow) -> Location:
        if row.to_url is not None:
            return kept_location(self._parts, row.to_url)
        if row.addon_id is None:
            raise BackupFailed("There is nothing to restore into.", why="The restore's database no longer exists.")
        return await location_of(run.db, self._parts, row.addon_id)

    @asynccontextmanager
    async def _opened(self, run: Run, row: TransferRow, location: Location) -> AsyncIterator[tuple[Archive, Opened]]:
        """The archive with its table of contents. Refuses it here if its target lacks something."""
        is_ours = await self._own_target(run, row) is not None
        tried = [one for one in row.extensions if not (is_ours and one.rpartition(".")[2] in FOR_OWNERS)]
        target = await look_at_target(location, tried)
        installations = find_installations(self._parts.installations)
        origin = await self._origin(run, row, target.version_num)
        async with archive_of(origin, target, location, installations) as found:
            yield found

    async def _origin(self, run: Run, row: TransferRow, target_version_num: int) -> Origin:
        if row.kind == "restore":
            return await origin_of_restore(run.db, self._parts, row)
        source = kept_location(self._parts, row.from_url or b"")
        facts = await look_at_source(source)
        installations = find_installations(self._parts.installations)
        clients = clients_for(facts.version_num, target_version_num, installations, needs_tls=needs_tls(source))
        return FromDatabase(clients.dump, source, row.id, facts)

    # -- all of them

    async def _begin(self, run: Run, row: TransferRow, source_bytes: int | None, message: str) -> None:
        async with run.transaction() as db:
            await query.only(db, TransferRow, "transfers.begin", id=row.id, source_bytes=source_bytes)
            await records.say(db, row.id, message)

    async def _say(self, run: Run, row: TransferRow, message: str, level: str = "info") -> None:
        async with run.transaction() as db:
            await records.say(db, row.id, message, level)

    @asynccontextmanager
    async def _telling(self, run: Run, row: TransferRow) -> AsyncIterator[None]:
        """Also writes errors to the transfer's own log, because users look there."""
        try:
            yield
        except RunCancelled:
            raise
        except ChangeoverError as error:
            await self._say(run, row, f"{error.what} {error.why}".strip(), "error")
            raise

    def _list_of(self, row: TransferRow) -> Path:
        return self._parts.home / "transfers" / f"{row.id}.list"


async def watched(
    run: Run, name: str, work: Coroutine[Any, Any, Result], show: Callable[[], Awaitable[None]]
) -> Result:
    """The work's result, with its progress shown twice a second. Ends it completely when the run is cancelled."""
    doing = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({doing}, timeout=LOOK_S))[0]:
            await show()
            if await query.values(run.db, "runs.is_cancelled", id=run.id) == [True]:
                raise RunCancelled(name)
        return doing.result()
    finally:
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)


def _not_restored(lost: Sequence[str]) -> list[str]:
    reason = "A restore copies the contents of a database, but not its settings or what needs a superuser."
    return [f"Not restored: {'; '.join(lost)}. {reason}"] if lost else []


async def transfer_of(run: Run) -> TransferRow:
    return await query.only(run.db, TransferRow, "transfers.find", id=UUID(run.input["transfer"]))


def _paced(look: Look) -> Look:
    """Adds the rate and the time left. Complete only when it has ended."""
    began = time.monotonic()

    def with_rate() -> tuple[int, Progress]:
        written, seen = look()
        rate = seen.bytes_done / max(0.001, time.monotonic() - began)
        left = (seen.bytes_total - seen.bytes_done) / rate if seen.bytes_total and rate else None
        done = min(seen.bytes_done, seen.bytes_total - 1) if seen.bytes_total else seen.bytes_done
        return written, replace(seen, bytes_done=done, bytes_per_s=rate, seconds_left=left)

    return with_rate


async def _show(run: Run, row: TransferRow, written: int, seen: Progress) -> None:
    says = f"{seen.says}, {written / 1e6:,.1f} MB" if seen.says else f"{written / 1e6:,.1f} MB"
    async with run.transaction() as db:
        await records.show(db, row.id, written, seen)
    await show_run(run, says, seen.percent)


async def show_run(run: Run, says: str, percent: int | None) -> None:
    """The state that `runs` and `runs:info` show."""
    async with run.transaction() as db:
        run.row = await query.only(
            db, RunRow, "runs.wait", id=run.id, epoch=run.row.epoch, because=says, percent=percent
        )
