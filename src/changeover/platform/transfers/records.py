"""Transfers as rows: adding them with their app's next number, starting, logging, finishing. For requests and runs."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from changeover.errors import RunConflict
from changeover.platform.scope import Parts
from changeover.postgres.progress import Progress
from changeover.runs.starting import start_run
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import Addon, App, Attachment, RunRow
from changeover.store.transfer_rows import TransferRow

MOST_BACKUPS_AT_ONCE = 3
"""More would slow each other down and occupy slots of runs that users wait for."""
FIRST_STEPS = {"backup": "dump", "restore": "look", "copy": "look"}


async def add(db: Db, app: App, kind: str, **fields: Any) -> TransferRow:
    """A new transfer that has not been started. URLs must be encrypted."""
    [number] = await query.values(db, "transfers.next_number", app_id=app.id)
    nothing = dict.fromkeys(("addon_id", "schedule_id", "from_url", "to_url", "object_key"))
    values = {**nothing, "extensions": [], **fields}
    if kind == "backup":
        values["object_key"] = f"{app.name}/{number:03}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}.dump"
    return await query.only(db, TransferRow, "transfers.add", app_id=app.id, number=number, kind=kind, **values)


async def start(db: Db, parts: Parts, app: App, transfer: TransferRow, subject: str | None = None) -> RunRow:
    """Starts its run. `subject`: the add-on that no other run may work on. Raises RunConflict."""
    run = await start_run(
        db, kind=transfer.kind, first_step=FIRST_STEPS[transfer.kind],
        subject=subject or f"{transfer.name} of {app.name}", app=app, account_id=app.owner_id,
        host=parts.host, given={"transfer": str(transfer.id)},
    )  # fmt: skip
    await query.only(db, TransferRow, "transfers.set_run", id=transfer.id, run_id=run.id)
    return run


async def start_waiting(db: Db, parts: Parts) -> list[RunRow]:
    """Start the backups whose turn it is, in the caller's transaction."""
    await query.values(db, "transfers.lock_starting")
    [under_way] = await query.values(db, "transfers.backups_under_way")
    waiting = await query.rows(
        db, TransferRow, "transfers.waiting_backups", most=max(0, MOST_BACKUPS_AT_ONCE - under_way)
    )
    started = []
    for one in waiting:
        app = await query.one(db, App, "apps.find", key=str(one.app_id))
        if app is None:
            await finish(db, one.id, is_succeeded=False)  # its app was destroyed in the meantime
            continue
        with suppress(RunConflict):  # an earlier app with this name has a running backup with this number: try later
            started.append(await start(db, parts, app, one))
    return started


async def add_backup(db: Db, addon: Addon, schedule_id: UUID | None = None) -> TransferRow:
    """Added here, started by `start_waiting`."""
    app = await query.only(db, App, "apps.find", key=str(addon.app_id))
    name = await name_in_app(db, addon)
    return await add(
        db, app, "backup", addon_id=addon.id, schedule_id=schedule_id, from_name=name, to_name="BACKUP"
    )  # fmt: skip


async def name_in_app(db: Db, addon: Addon) -> str:
    """The database's name in its own app: DATABASE, else another attachment's, else the add-on's."""
    attached = await query.rows(db, Attachment, "attachments.of_addon", addon_id=addon.id)
    names = [one.name for one in attached if one.app_id == addon.app_id and one.namespace is None]
    first = sorted(names, key=lambda name: name != "DATABASE")
    return first[0].removeprefix("HEROKU_POSTGRESQL_") if first else addon.name


async def say(db: Db, transfer_id: UUID, message: str, level: str = "info") -> None:
    """Add a line to its log. It must not contain secrets."""
    await query.execute(db, "transfers.say", id=transfer_id, message=message, level=level)


async def show(db: Db, transfer_id: UUID, processed_bytes: int, progress: Progress) -> None:
    await query.execute(
        db, "transfers.show", id=transfer_id, processed_bytes=processed_bytes, progress=Jsonb(progress.as_dict())
    )


async def finish(
    db: Db, transfer_id: UUID, *, is_succeeded: bool, warnings: int = 0, processed_bytes: int | None = None
) -> None:
    """Only once: an ended transfer doesn't change."""
    await query.one(
        db, TransferRow, "transfers.finish",
        id=transfer_id, is_succeeded=is_succeeded, warnings=warnings, processed_bytes=processed_bytes,
    )  # fmt: skip
