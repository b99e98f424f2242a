"""Deployed code: unpacks an archive, reads its Procfile, and makes a release."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import threading
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from psycopg.types.json import Jsonb

from changeover.errors import ArchiveTooLarge, BadArchive, BadProcfile
from changeover.platform.formation import DEFAULT_SIZE
from changeover.platform.releases import release
from changeover.platform.scope import Parts, Scope
from changeover.platform.unpacking import SPACE_ERRORS, ArchiveLimits, disk_is_full, unpack
from changeover.runtime.procfile import parse_procfile
from changeover.store import query
from changeover.store.rows import App, FormationRow, RunRow, Slug

PROCFILE_BYTES = 1_000_000
ABANDONED_S = 3600.0


async def receive(parts: Parts, app: App, chunks: AsyncIterator[bytes], *, sha256: bytes | None = None) -> Slug:
    """Unpack a tar.gz in HOME/apps. Removes it if it can't be used. Does not change our state yet.

    `sha256`: the checksum given by the sender. Raises BadArchive, ArchiveTooLarge, BadProcfile, DiskFull.
    """
    id_ = uuid.uuid4()
    folder = slugs_folder(parts, app.id) / str(id_)
    _make_folders(folder.parent)
    archive = folder.with_suffix(".tar.gz")
    try:
        checksum = await _save(chunks, archive, parts.archive_limits)
        _compare(checksum, sha256)
        size = await _unpack(archive, folder, parts.archive_limits)
        types = parse_procfile(_read_procfile(folder))
    except BaseException:
        discard(folder)
        raise
    finally:
        archive.unlink(missing_ok=True)
    pairs = [[type_, command] for type_, command in types.items()]
    return Slug(id_, app.id, pairs, str(folder), size, checksum, app.updated_at)


def _make_folders(slugs: Path) -> None:
    """Not accessible for others. The runtime gives the app's dynos access when it starts the first one."""
    app = slugs.parent
    app.parent.mkdir(exist_ok=True, mode=0o711)
    app.mkdir(exist_ok=True, mode=0o700)
    slugs.mkdir(exist_ok=True, mode=0o755)
    slugs.chmod(0o755)


def slugs_folder(parts: Parts, app_id: uuid.UUID) -> Path:
    return parts.home / "apps" / str(app_id) / "slugs"


def discard(folder: Path) -> None:
    """Remove code that never became a release."""
    shutil.rmtree(folder, ignore_errors=True)


async def clear_abandoned(scope: Scope, app: App) -> None:
    """Remove what a control plane left that was killed during a deploy."""
    known = set(await query.values(scope.db, "slugs.directories", app_id=app.id))
    folder = slugs_folder(scope.parts, app.id)
    for path in folder.iterdir() if folder.exists() else ():
        if str(path) in known or time.time() - path.lstat().st_mtime < ABANDONED_S:
            continue
        if path.is_dir():
            discard(path)
        else:
            path.unlink(missing_ok=True)


async def deploy(scope: Scope, app: App, received: Slug, description: str | None) -> RunRow | None:
    """Make a new release of the received code. Returns its run."""
    slug = await query.only(
        scope.db, Slug, "slugs.add",
        id=received.id, app_id=app.id, process_types=Jsonb(received.process_types), directory=received.directory,
        bytes=received.bytes, checksum=received.checksum,
    )  # fmt: skip
    known = {row.type for row in await query.rows(scope.db, FormationRow, "formation.of_app", app_id=app.id)}
    for type_ in slug.commands:
        if type_ not in known:
            quantity = 1 if type_ == "web" else 0
            await query.execute(
                scope.db, "formation.set", app_id=app.id, type=type_, quantity=quantity, size=DEFAULT_SIZE
            )
    return await release(scope, app.id, description or f"Deploy {slug.checksum[:8]}", slug=slug)


async def _save(chunks: AsyncIterator[bytes], archive: Path, limits: ArchiveLimits) -> str:
    seen, digest = 0, hashlib.sha256()
    try:
        with archive.open("wb") as file:
            async for chunk in chunks:
                seen += len(chunk)
                if seen > limits.packed_bytes:
                    raise ArchiveTooLarge(
                        f"It is larger than {limits.packed_bytes} bytes.",
                        fix="Leave files out with a .slugignore, or raise CHANGEOVER_DEPLOY_PACKED_BYTES on the server.",
                    )
                digest.update(chunk)
                file.write(chunk)
    except OSError as error:
        if error.errno not in SPACE_ERRORS:
            raise
        raise disk_is_full(archive.parent) from None
    return digest.hexdigest()


def _compare(checksum: str, sha256: bytes | None) -> None:
    if sha256 is not None and checksum != sha256.hex():
        raise BadArchive("The SHA-256 digest differs from the sender's.")


async def _unpack(archive: Path, folder: Path, limits: ArchiveLimits) -> int:
    """Runs in a thread that has ended when this returns, so nothing is written after a cancellation."""
    given_up = threading.Event()
    unpacking = asyncio.ensure_future(asyncio.to_thread(unpack, archive, folder, limits, given_up))
    try:
        return await asyncio.shield(unpacking)
    except asyncio.CancelledError:
        given_up.set()
        await asyncio.wait([unpacking])
        raise


def _read_procfile(folder: Path) -> str:
    """Does not follow links, because we may read more than the app may."""
    file = folder / "Procfile"
    if not file.is_file() or file.is_symlink():
        raise BadProcfile(None, "The code has no Procfile, which defines the app's processes.")
    if file.stat().st_size > PROCFILE_BYTES:
        raise BadProcfile(None, f"It is larger than {PROCFILE_BYTES} bytes.")
    return file.read_text(errors="replace")
