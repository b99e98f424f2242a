"""User requests about transfers: back up, restore, copy, list, cancel, delete, download, and schedule backups."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from changeover.errors import InvalidParams, NotAvailable, NotFound, ServerUnreachable
from changeover.errors.transfers import BackupGone
from changeover.hosts.network import Reach, checked_host
from changeover.hosts.resolving import resolved
from changeover.platform.apps import find_app
from changeover.platform.attachments import attachments_to
from changeover.platform.databases import find_database
from changeover.platform.environment import attachments_of
from changeover.platform.locations import location_of, named_location, reach_of
from changeover.platform.resolving import find_addon
from changeover.platform.rights import may_access
from changeover.platform.scope import Parts, Scope
from changeover.platform.transfers import records
from changeover.platform.transfers.origins import InBucket, OnWeb, Origin, origin_of
from changeover.platform.transfers.retention import keeping_of
from changeover.platform.transfers.schedules import checked_hour, checked_zone, next_backup
from changeover.platform.transfers.scratch import begin_verification
from changeover.postgres.location import Location
from changeover.runs.starting import cancel_run
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import Addon, App, Database, RunRow
from changeover.store.transfer_rows import TransferLogRow, TransferRow, TransferScheduleRow

OURS = "changeover:"
"""The prefix of a restore's stored origin if it is one of our backups. Its id follows."""
MARK = "#operator"
PATH = "/changeover/v1/backups/"
LOOKUP_S = 5.0
"""The time limit for resolving a restore's host. If it takes longer, it is resolved when the restore begins."""


@dataclass(frozen=True)
class CopyRequest:
    """What `pg:copy` sends. The URLs hold passwords."""

    from_name: str
    from_url: str
    to_name: str
    to_url: str


async def capture(scope: Scope, key: str) -> TransferRow:
    """Back a database up, now or when fewer backups are running. Raises NotFound, Forbidden, NotAvailable."""
    addon, _ = await find_database(scope, key)
    await location_of(scope.db, scope.parts, addon.id)
    row = await records.add_backup(scope.db, addon)
    scope.started.extend(await records.start_waiting(scope.db, scope.parts))
    return row


async def restore(scope: Scope, key: str, url: str, extensions: Sequence[str]) -> TransferRow:
    """Replace a database's contents. Raises NotFound, Forbidden, NotAvailable, InvalidParams, RunConflict."""
    addon, database = await find_database(scope, key)
    await location_of(scope.db, scope.parts, addon.id)
    _require_leader(addon, database)
    source = await _backup_of(scope, url)
    kept = f"{OURS}{source.id}" if source is not None else await _checked_origin(scope, url)
    app = await find_app(scope, str(addon.app_id))
    row = await records.add(
        scope.db, app, "restore", addon_id=addon.id, from_name=source.name if source else "BACKUP",
        to_name=await records.name_in_app(scope.db, addon), from_url=scope.parts.cipher.encrypt(kept),
        extensions=_checked_extensions(extensions),
    )  # fmt: skip
    scope.started.append(await records.start(scope.db, scope.parts, app, row, subject=addon.name))
    return row


async def _checked_origin(scope: Scope, url: str) -> str:
    """The URL as it is stored. The operator's ends with MARK, which is never sent to a web server.

    Raises InvalidParams, AddressNotAllowed. A name that is unknown now may be known when the restore begins.
    """
    reach = reach_of(scope)
    plain = url.partition("#")[0]
    origin = origin_of(plain, endpoint=scope.parts.bucket_endpoint, reach=reach)
    if isinstance(origin, OnWeb):
        with suppress(OSError, UnicodeError, ServerUnreachable):
            async with scope.asking(LOOKUP_S):
                await resolved(checked_host(urlsplit(plain).hostname or ""), reach)
    return f"{plain}{MARK}" if reach is Reach.ANYWHERE else plain


async def copy(scope: Scope, key: str, wish: CopyRequest) -> TransferRow:
    """Replace a database's contents with another's. Raises what `restore` raises, and BadAddress."""
    addon, _ = await find_database(scope, key)
    source, _ = await _ours_or_theirs(scope, wish.from_url)
    target, target_addon = await _ours_or_theirs(scope, wish.to_url)
    if (source.host, source.port, source.database) == (target.host, target.port, target.database):
        raise InvalidParams(f"{wish.from_name} can't be copied to itself.", fix="Choose two different databases.")
    app = await find_app(scope, str(addon.app_id))
    row = await records.add(
        scope.db, app, "copy", addon_id=target_addon.id if target_addon else None,
        from_name=wish.from_name, to_name=wish.to_name,
        from_url=scope.parts.cipher.encrypt(source.url), to_url=scope.parts.cipher.encrypt(target.url),
    )  # fmt: skip
    subject = target_addon.name if target_addon else None
    scope.started.append(await records.start(scope.db, scope.parts, app, row, subject=subject))
    return row


async def _ours_or_theirs(scope: Scope, url: str) -> tuple[Location, Addon | None]:
    """For one of our databases, the location that we know, if the caller may see it. Otherwise the given address.

    Raises BadAddress, and Forbidden for files of this host.
    """
    host, port, database_name = Location.place(url)
    database = await query.one(
        scope.db, Database, "databases.at_address", address=host, port=port, database_name=database_name
    )
    if database is None or not await may_access(scope, database.app_id):
        return named_location(scope, url), None
    addon = await find_addon(scope, str(database.addon_id))
    return await location_of(scope.db, scope.parts, addon.id), addon


def _require_leader(addon: Addon, database: Database) -> None:
    if database.leader_id is not None:
        raise InvalidParams(
            f"{addon.name} can't be restored into.", why="It is a follower, and so read-only.",
            fix=f"Restore into its leader, or make it a standalone database: `changeover pg:unfollow {addon.name}`.",
        )  # fmt: skip


def _checked_extensions(names: Sequence[str]) -> list[str]:
    wished = [name.strip() for name in names if name.strip()]
    if any(not part or not part.isprintable() for name in wished for part in name.split(".", 1)):
        raise InvalidParams("Invalid list of extensions.", fix="Write it as hstore,myschema.pgcrypto.")
    return wished


async def _backup_of(scope: Scope, url: str) -> TransferRow | None:
    """The backup of ours that a `to_url` or one of our public URLs refers to. Raises NotFound, NotAvailable."""
    try:
        _, found, key = urlsplit(url).path.partition(PATH)
    except ValueError:
        return None
    if not found:
        return None
    transfer = signed_transfer(scope.parts, key.removeprefix("signed/")) if key.startswith("signed/") else key
    try:
        row = await query.one(scope.db, TransferRow, "transfers.find", id=UUID(transfer or ""))
    except ValueError:
        row = None
    if row is None or row.app_id is None or not (await may_access(scope, row.app_id) or key.startswith("signed/")):
        raise NotFound("Couldn't find that backup.", fix="`changeover pg:backups` lists them.", resource="transfer")
    return require_complete(row)


def require_complete(row: TransferRow) -> TransferRow:
    """Raises NotAvailable if it can't be restored or downloaded."""
    if row.kind != "backup" or not row.is_succeeded:
        raise NotAvailable(f"{row.name} is not a complete backup.", fix="`changeover pg:backups` shows which ones are.")
    return row


# -- reading


async def list_transfers(scope: Scope, app_key: str) -> Sequence[TransferRow]:
    app = await find_app(scope, app_key)
    return await query.rows(scope.db, TransferRow, "transfers.of_app", app_id=app.id)


async def find_transfer(scope: Scope, app_key: str, key: str) -> TransferRow:
    """By number, name or id. Raises NotFound."""
    app = await find_app(scope, app_key)
    number = key[1:].lstrip("0") if key[:1] in "abcr" and key[1:].isdigit() else key
    row = await query.one(scope.db, TransferRow, "transfers.find_in_app", app_id=app.id, key=number)
    if row is None:
        raise NotFound(
            f"Couldn't find the backup {key}.", fix=f"`changeover pg:backups -a {app.name}` lists them.",
            resource="transfer",
        )  # fmt: skip
    return row


async def log_of(scope: Scope, row: TransferRow) -> Sequence[TransferLogRow]:
    return await query.rows(scope.db, TransferLogRow, "transfers.log", id=row.id)


async def most_kept(scope: Scope, row: TransferRow) -> int:
    """How many of its kind are kept. The API calls it num_keep."""
    keeping = keeping_of(await tier_of(scope.db, scope.parts, row.addon_id))
    return keeping.days if row.schedule_id else keeping.manual


async def tier_of(db: Db, parts: Parts, addon_id: UUID | None) -> str:
    """The tier of the database's plan. Empty when it is gone."""
    addon = await query.one(db, Addon, "addons.find", key=str(addon_id)) if addon_id else None
    return parts.catalogue.plan_of(addon.service, addon.plan).tier.name if addon else ""


# -- changing


async def cancel(scope: Scope, row: TransferRow) -> TransferRow:
    """Stop it. Nothing of it is left then. Raises NotAvailable when it has ended."""
    cancelled = await query.one(scope.db, TransferRow, "transfers.cancel", id=row.id)
    if cancelled is None:
        raise NotAvailable(f"{row.name} has already ended.", fix="There is nothing to cancel.")
    run = await query.one(scope.db, RunRow, "runs.find", id=row.run_id) if row.run_id else None
    if run is None:
        await records.say(scope.db, row.id, "Cancelled before it began.")
        await records.finish(scope.db, row.id, is_succeeded=False)
    elif run.finished_at is None and (told := await cancel_run(scope.db, run.id)):
        scope.started.append(told)
    return cancelled


async def delete(scope: Scope, row: TransferRow) -> None:
    """Remove it from the bucket, then from our state. Raises NotAvailable while it is running, and the bucket's errors."""
    if row.finished_at is None:
        raise NotAvailable(
            f"{row.name} is still in progress.", fix=f"Cancel it first: `changeover pg:backups:cancel {row.name}`."
        )
    if row.object_key:
        async with scope.asking():
            await asyncio.to_thread(scope.parts.bucket.remove, row.object_key)
    await query.execute(scope.db, "transfers.remove", id=row.id)


@dataclass(frozen=True)
class PublicAddress:
    """`url` is the bucket's own. None if we serve it ourselves, to clients that have `key`."""

    url: str | None
    key: str
    expires_at: datetime


PUBLIC_S = 3600


async def public_address(scope: Scope, row: TransferRow) -> PublicAddress:
    """A public URL that is valid for an hour. Raises NotAvailable, BackupGone, and the bucket's errors."""
    key = require_complete(row).object_key or ""
    async with scope.asking():  # S3 credentials may be fetched from another server
        url = await asyncio.to_thread(scope.parts.bucket.signed_url, key, lasts_s=PUBLIC_S)
    expires_at = datetime.fromtimestamp(datetime.now(UTC).timestamp() + PUBLIC_S, UTC)
    return PublicAddress(url, scope.parts.cipher.encrypt(f"backup {row.id}").decode(), expires_at)


def signed_transfer(parts: Parts, key: str) -> str | None:
    """The id in one of our keys. None for any other key or an expired one."""
    opened = parts.cipher.decrypt_fresh(key.encode(), most_s=PUBLIC_S)
    return opened.removeprefix("backup ") if opened and opened.startswith("backup ") else None


async def signed_backup(db: Db, parts: Parts, key: str) -> TransferRow | None:
    """The backup that a client with `key` may download."""
    transfer = signed_transfer(parts, key)
    row = await query.one(db, TransferRow, "transfers.find", id=UUID(transfer)) if transfer else None
    return row if row is not None and row.is_succeeded and row.app_id is not None else None


async def backup_by_id(scope: Scope, transfer: str) -> TransferRow:
    """For callers who may see its app. Raises NotFound, NotAvailable."""
    row = await _backup_of(scope, f"{PATH}{transfer}")
    if row is None:
        raise NotFound("Couldn't find that backup.", resource="transfer")
    return row


def file_of(parts: Parts, row: TransferRow) -> Path:
    """Its file, if the bucket is a folder. Raises BackupGone."""
    file = (parts.bucket.folder or Path("/nonexistent")) / (row.object_key or "")
    if not file.is_file():
        raise BackupGone("The backup no longer exists.", why="It was removed, or the bucket has changed.")
    return file


async def verify(scope: Scope, row: TransferRow) -> RunRow:
    """Restore it into a scratch server now. Raises NotAvailable, HostFull, RunConflict."""
    run = await begin_verification(scope.db, scope.parts, require_complete(row))
    scope.started.append(run)
    return run


async def origin_of_restore(db: Db, parts: Parts, row: TransferRow) -> Origin:
    """The source of a restore that was accepted."""
    url = parts.cipher.decrypt(row.from_url or b"")
    if not url.startswith(OURS):
        is_operators = url.endswith(MARK) or url.startswith(("file:", "s3:"))  # older versions kept these without it
        reach = Reach.ANYWHERE if is_operators else parts.foreign_addresses
        return origin_of(url.removesuffix(MARK), endpoint=parts.bucket_endpoint, reach=reach)
    source = await query.one(db, TransferRow, "transfers.find", id=UUID(url.removeprefix(OURS)))
    if source is None or source.object_key is None:
        raise NotFound("The backup is gone.", why="It was deleted in the meantime.", resource="transfer")
    return InBucket(parts.bucket, source.object_key)


# -- daily


async def schedule(scope: Scope, key: str, *, name: str | None, hour: str, timezone: str) -> TransferScheduleRow:
    """Back up daily the database that `name` (DATABASE_URL) then refers to in the app. Raises InvalidParams."""
    addon, _ = await find_database(scope, key)
    await location_of(scope.db, scope.parts, addon.id)
    attachment = await _attachment_of(scope, addon, name)
    at, zone = checked_hour(hour), checked_zone(timezone)
    return await query.only(
        scope.db, TransferScheduleRow, "transfers.schedule", app_id=addon.app_id, attachment=attachment, hour=at,
        timezone=zone, next_at=next_backup(at, zone, datetime.now(UTC)),
    )  # fmt: skip


async def _attachment_of(scope: Scope, addon: Addon, name: str | None) -> str:
    """The requested name if the database has it in its own app, else another name there. Raises InvalidParams."""
    attached = [one.name for one in await attachments_of(scope.db, addon.app_id) if one.addon_id == addon.id]
    if not attached:
        raise InvalidParams(
            f"{addon.name} can't be backed up daily.", why=f"It has no name in its own app, {addon.app_name}.",
            fix=f"Attach it there: `changeover addons:attach {addon.name} -a {addon.app_name}`.",
        )  # fmt: skip
    wished = name.upper().removesuffix("_URL") if name else attached[0]
    known = {one.name for one in await attachments_to(scope.db, addon.id)}
    if wished not in known:
        raise InvalidParams(
            f"{addon.name} has no attachment {name}.", why=f"It is attached as {', '.join(sorted(known))}.",
            fix=f"Give schedule_name one of these, such as {attached[0]}_URL.",
        )  # fmt: skip
    return wished if wished in attached else attached[0]


async def schedules(scope: Scope, key: str) -> tuple[App, Sequence[TransferScheduleRow]]:
    """The schedules of all databases of the app that owns this one."""
    addon, _ = await find_database(scope, key)
    app = await find_app(scope, str(addon.app_id))
    return app, await query.rows(scope.db, TransferScheduleRow, "transfers.schedules", app_id=app.id)


async def unschedule(scope: Scope, key: str, schedule_key: str) -> TransferScheduleRow:
    """Its backups are kept as long as before. Raises NotFound."""
    addon, _ = await find_database(scope, key)
    found = await query.one(
        scope.db, TransferScheduleRow, "transfers.schedule_in_app", app_id=addon.app_id, key=schedule_key
    )
    if found is None:
        raise NotFound("Couldn't find that schedule.", fix="`changeover pg:backups:schedules` lists them.")
    await query.execute(scope.db, "transfers.unschedule", id=found.id)
    return found
