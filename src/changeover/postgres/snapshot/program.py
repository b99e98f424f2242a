"""The program's main loop: attempts until one succeeds, waiting for servers that go away and come back."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any, Final

import asyncpg
import psycopg

from changeover.errors import ChangeoverError
from changeover.errors.elsewhere import ConnectionLost, SnapshotGone
from changeover.postgres.connect import fetch_row
from changeover.postgres.location import handed_over
from changeover.postgres.snapshot.board import first_of
from changeover.postgres.snapshot.holder import Holder, holding
from changeover.postgres.snapshot.job import Job
from changeover.postgres.snapshot.migration import Migration
from changeover.postgres.snapshot.place import end_leftovers, session_name
from changeover.postgres.snapshot.schema import failed_at
from changeover.postgres.snapshot.sessions import is_lost, one_line, reading_control, writing
from changeover.postgres.snapshot.telling import Telling

PAUSE_S: Final = 1.0


class _HolderGone(Exception):
    """The session that held the snapshot was lost."""


async def bring(job: Job, work: Path, telling: Telling) -> dict[str, Any]:
    """Do the whole job and return the report. Raises ChangeoverError when it can't be done, or not now."""
    if (report := await _finished_before(job, work)) is not None:
        return report
    source, target, name = handed_over(job.source), handed_over(job.target), session_name(job)
    async with reading_control(source, name) as connection, writing(target, name):  # a wrong address fails immediately
        await end_leftovers(connection, name)
    patience = Patience(job.patience_s, telling)
    while True:
        try:
            async with holding(source, name) as holder:
                migration = Migration(job, source, target, holder, work, telling)
                return await _with_snapshot(migration, patience)
        except _HolderGone as gone:
            await patience.bear(gone.__cause__ or gone, "the source, because its snapshot is lost")
        except BaseException as failure:
            if not is_lost(failure):
                raise
            await patience.bear(failure, "the source")


async def _with_snapshot(migration: Migration, patience: Patience) -> dict[str, Any]:
    """Attempts for as long as the snapshot exists."""
    while True:
        try:
            return await _while_it_beats(migration)
        except SnapshotGone as gone:
            raise _HolderGone from gone
        except BaseException as failure:
            if not is_lost(failure):
                raise
            await _still_there(migration.holder)
            await patience.bear(failure, "a server that went away")


async def _while_it_beats(migration: Migration) -> dict[str, Any]:
    """One attempt, ended early when the snapshot is lost. Raises the failure itself, not the group."""
    try:
        async with asyncio.TaskGroup() as group:
            beat = group.create_task(_beat(migration.holder))
            attempt = group.create_task(migration.attempt())
            attempt.add_done_callback(lambda _: beat.cancel())
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
    return attempt.result()


async def _beat(holder: Holder) -> None:
    try:
        await holder.beat()
    except Exception as failure:
        raise _HolderGone from failure


async def _still_there(holder: Holder) -> None:
    try:
        async with holder.busy, asyncio.timeout(90):
            await holder.connection.execute("SELECT 1")
    except Exception as failure:
        raise _HolderGone from failure


class Patience:
    """How long to wait for a server that is away. Any progress of the copy restarts the time."""

    def __init__(self, seconds: float, telling: Telling) -> None:
        self.seconds, self.telling = seconds, telling
        self._since: float | None = None
        self._bytes = -1

    async def bear(self, failure: BaseException, whom: str) -> None:
        """Wait a moment. Raises `failure` when the time is up."""
        if self.telling.is_to_end:  # a session that failed during the cancellation can hide it
            raise asyncio.CancelledError
        now = time.monotonic()
        if self._since is None or self.telling.bytes_done > self._bytes:
            self._since, self._bytes = now, self.telling.bytes_done
        if now - self._since > self.seconds:
            raise failure
        said = failure.why if isinstance(failure, ChangeoverError) else one_line(failure)
        self.telling.enter("wait", f"waits for {whom}: {said}")
        await asyncio.sleep(PAUSE_S)


async def _finished_before(job: Job, work: Path) -> dict[str, Any] | None:
    """The report of a program that finished but was killed before it could report."""
    try:
        kept = json.loads((work / "report.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    if kept.get("mark") != job.mark:
        return None
    async with writing(handed_over(job.target), session_name(job)) as target:
        (is_open,) = await fetch_row(target, "SELECT pg_catalog.to_regclass('_changeover.done') IS NOT NULL")
    report: dict[str, Any] = kept["report"]
    return None if is_open else report


def as_error(failure: BaseException) -> ChangeoverError | None:
    """A failure that a user can act on. None for a bug of ours."""
    if isinstance(failure, ChangeoverError):
        return failure
    if is_lost(failure):
        return ConnectionLost("A server went away and did not come back.", why=one_line(failure),
                              fix="When it is back, run the command again. Completed work is kept.")  # fmt: skip
    if isinstance(failure, (psycopg.Error, asyncpg.PostgresError)):
        return failed_at("An object in the database", failure)
    return None
