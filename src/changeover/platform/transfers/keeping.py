"""Automatic work on backups: start them when due, verify one a week, remove old ones."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from psycopg_pool import AsyncConnectionPool

from changeover.errors import ChangeoverError, HostFull
from changeover.platform.due_jobs import CLOCKS_DIFFER
from changeover.platform.environment import attachments_of
from changeover.platform.scope import Parts
from changeover.platform.transfers import records
from changeover.platform.transfers.children import end_children
from changeover.platform.transfers.people import tier_of
from changeover.platform.transfers.retention import keeping_of, surplus
from changeover.platform.transfers.schedules import next_backup
from changeover.platform.transfers.scratch import begin_verification
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import Addon, App, RunRow
from changeover.store.transfer_rows import TransferRow, TransferScheduleRow

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 30.0
OLD_DAYS = 90
"""How long the list shows restores, copies and failed backups."""


async def begin_due_backups(parts: Parts, pool: AsyncConnectionPool[Any]) -> float:
    """One round: first the backups that are due, then those that wait for their turn. Returns seconds until the next round.

    The next time is updated in the same transaction that adds the backup, so each due time gives exactly one, even after a
    crash. Times that were missed count as one.
    """
    async with pool.connection() as db:
        due = await query.rows(db, TransferScheduleRow, "transfers.due_schedules")
    for schedule in due:
        async with pool.connection() as db:
            await _begin(db, schedule)
    async with pool.connection() as db:
        started = await records.start_waiting(db, parts)
    await parts.tick(started)
    return LOOK_AGAIN_S


async def bring_backups_forward(pool: AsyncConnectionPool[Any]) -> None:
    """Like `bring_jobs_forward`: no day is without a backup because the clock was once ahead."""
    async with pool.connection() as db:
        for schedule in await query.rows(db, TransferScheduleRow, "transfers.all_schedules"):
            soonest = next_backup(schedule.hour, schedule.timezone, datetime.now(UTC) + CLOCKS_DIFFER)
            await query.execute(db, "transfers.bring_forward", id=schedule.id, next_at=soonest)


async def _begin(db: Db, schedule: TransferScheduleRow) -> None:
    following = next_backup(schedule.hour, schedule.timezone, max(schedule.next_at, datetime.now(UTC)))
    claimed = await query.one(
        db, TransferScheduleRow, "transfers.claim_schedule",
        id=schedule.id, due_at=schedule.next_at, next_at=following,
    )  # fmt: skip
    if claimed is None:
        return
    attached = [one for one in await attachments_of(db, schedule.app_id) if one.name == schedule.attachment]
    if attached:
        addon = await query.only(db, Addon, "addons.find", key=str(attached[0].addon_id))
        await records.add_backup(db, addon, schedule.id)
        return
    app = await query.only(db, App, "apps.find", key=str(schedule.app_id))
    failed = await records.add(
        db, app, "backup", schedule_id=schedule.id, from_name=schedule.attachment, to_name="BACKUP"
    )  # fmt: skip
    await records.say(db, failed.id, f"{app.name} no longer has {schedule.attachment}_URL.", "error")
    await records.finish(db, failed.id, is_succeeded=False)


async def after_backup(db: Db, parts: Parts, row: TransferRow) -> list[RunRow | None]:
    """Remove old backups, and verify the new one once a week. Returns the run for that, to be scheduled."""
    await _remove_surplus(db, parts, row)
    if row.schedule_id is None:
        return []
    due = await query.one(db, TransferScheduleRow, "transfers.claim_verification", id=row.schedule_id)
    if due is None:
        return []
    try:
        return [await begin_verification(db, parts, row)]
    except HostFull as full:
        await records.say(db, row.id, f"Not verified this week: {full.why}", "warning")
        return []


async def _remove_surplus(db: Db, parts: Parts, row: TransferRow) -> None:
    is_scheduled = row.schedule_id is not None
    backups = await query.rows(
        db, TransferRow, "transfers.kept_backups",
        app_id=row.app_id, addon_id=row.addon_id, schedule_id=row.schedule_id, is_scheduled=is_scheduled,
    )  # fmt: skip
    for old in surplus(backups, keeping_of(await tier_of(db, parts, row.addon_id)), is_scheduled=is_scheduled):
        await _remove(db, parts, old)


async def tidy_transfers(parts: Parts, pool: AsyncConnectionPool[Any]) -> None:
    """Periodic cleanup: transfers of removed apps, old failures and restores, incomplete uploads."""
    async with pool.connection() as db:
        for old in (
            *await query.rows(db, TransferRow, "transfers.of_no_app"),
            *await query.rows(db, TransferRow, "transfers.old_restores", days=OLD_DAYS),
        ):
            await _remove(db, parts, old)
        under_way = await query.values(db, "transfers.keys_under_way")
    try:
        for half in await asyncio.to_thread(parts.bucket.sweep, lambda key: key in under_way):
            log.warning("removed the half of an upload: %s", half)
    except ChangeoverError as error:
        log.warning("the bucket could not be swept: %s", error.message)


async def end_transfers(db: Db) -> None:
    """At a clean stop, so that no program of ours works on one any more. Their runs start them over."""
    for transfer in await query.values(db, "transfers.under_way"):
        await end_children(transfer)


async def _remove(db: Db, parts: Parts, row: TransferRow) -> None:
    """If the bucket can't remove it, it stays in the list and is tried again."""
    try:
        if row.object_key is not None:
            await asyncio.to_thread(parts.bucket.remove, row.object_key)
    except ChangeoverError as error:
        log.warning("backup %s stays: %s", row.name, error.message)
        return
    await query.execute(db, "transfers.remove", id=row.id)
