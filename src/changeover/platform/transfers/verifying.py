"""The steps of a verification: restores a backup into a scratch server, counts its rows, and removes the server."""

from __future__ import annotations

import asyncio

from changeover.engines.engine import Server
from changeover.errors import ChangeoverError
from changeover.platform.scope import Parts
from changeover.platform.transfers.children import end_children
from changeover.platform.transfers.origins import InBucket
from changeover.platform.transfers.restoring import (
    Restore,
    archive_of,
    furnish,
    look_at_target,
    make_room,
    schemas_of,
)
from changeover.platform.transfers.scratch import (
    DATABASE,
    KIND,
    ROLE,
    Found,
    count,
    make_scratch,
    note_result,
    remove_scratch,
    require_all,
    scratch_server,
)
from changeover.platform.transfers.workflow import LONGEST_S, RETRIES, show_run, transfer_of, watched
from changeover.postgres.installations import find_installations
from changeover.postgres.location import Location
from changeover.runs.run import Advance, Outcome, Run, Step, Workflow
from changeover.store.transfer_rows import TransferRow


class Verifying:
    """The steps of `verify-backup`. Whatever the result, the server is removed at the end."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def workflow(self) -> Workflow:
        return Workflow(
            KIND,
            (
                Step("try", self.try_it, "Restore the backup into a scratch server and count its rows", undo=self.take_away,
                     deadline_s=LONGEST_S, most_retries=RETRIES),
                Step("remove", self.remove, "Remove the scratch server"),
            ),
        )  # fmt: skip

    async def try_it(self, run: Run) -> Outcome:
        row = await transfer_of(run)
        server = await scratch_server(run.db, run.input["server"])
        if server is None or row.object_key is None:
            return Advance("there is nothing to verify")
        try:
            await end_children(row.id)
            found = await self._restored(run, row, server, await make_scratch(self._parts, server))
        except ChangeoverError as error:
            async with run.transaction() as db:
                await note_result(db, row.id, error)
            raise
        async with run.transaction() as db:
            await note_result(db, row.id, found)
        return Advance(f"{found.tables} tables, {found.rows:,} rows")

    async def _restored(self, run: Run, row: TransferRow, server: Server, location: Location) -> Found:
        target = await look_at_target(location, ())
        origin, installations = (
            InBucket(self._parts.bucket, row.object_key or ""),
            find_installations(self._parts.installations),
        )
        async with archive_of(origin, target, location, installations) as (archive, opened):
            await make_room(location)
            wished = schemas_of(archive.contents, wished=())
            await self._parts.engine.make_extensions(server, DATABASE, ROLE, wished)
            present = await furnish(location, ())
            wanted = self._parts.home / "transfers" / f"{row.id}.scratch.list"
            restore = await asyncio.to_thread(Restore, archive, location, row.id, present=present, wanted=wanted)
            await watched(
                run, row.name, restore.run(opened),
                lambda: show_run(run, restore.heard.says, 100 * restore.bytes_done // max(1, opened.bytes_total)),
            )  # fmt: skip
        return require_all(await count(location), archive.contents.tables)

    async def take_away(self, run: Run) -> None:
        row = await transfer_of(run)
        await end_children(row.id)
        await remove_scratch(run.db, self._parts, run.input["server"])

    async def remove(self, run: Run) -> Outcome:
        await remove_scratch(run.db, self._parts, run.input["server"])
        return Advance()
