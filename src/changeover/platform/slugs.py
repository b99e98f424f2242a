"""Deployed code: an archive is unpacked, its Procfile read, and becomes a release."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from backports import tarfile
from psycopg.types.json import Jsonb

from changeover.errors import BadRequest
from changeover.platform.formation import DEFAULT_SIZE
from changeover.platform.releases import release
from changeover.platform.scope import Parts, Scope
from changeover.runtime.procfile import parse_procfile
from changeover.store import query
from changeover.store.rows import App, FormationRow, RunRow, Slug

LARGEST_BYTES = 2_000_000_000


async def receive(parts: Parts, app: App, chunks: AsyncIterator[bytes]) -> Slug:
    """Unpack a tar.gz below HOME/apps; nothing is left of one that can't be used. Not in our state yet.

    Raises BadRequest, BadProcfile.
    """
    id_ = uuid.uuid4()
    folder = parts.home / "apps" / str(app.id) / "slugs" / str(id_)
    folder.parent.mkdir(parents=True, exist_ok=True)
    archive = folder.with_suffix(".tar.gz")
    try:
        checksum = await _save(chunks, archive)
        await asyncio.to_thread(_unpack, archive, folder)
        types = parse_procfile(_read_procfile(folder))
        size = await asyncio.to_thread(_open_to_dynos, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        archive.unlink(missing_ok=True)
    pairs = [[type_, command] for type_, command in types.items()]
    return Slug(id_, app.id, pairs, str(folder), size, checksum, app.updated_at)


async def deploy(scope: Scope, app: App, received: Slug, description: str | None) -> RunRow | None:
    """The received code as a new release; its run."""
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


async def _save(chunks: AsyncIterator[bytes], archive: Path) -> str:
    seen, digest = 0, hashlib.sha256()
    with archive.open("wb") as file:
        async for chunk in chunks:
            seen += len(chunk)
            if seen > LARGEST_BYTES:
                raise BadRequest("The archive is too large.", why=f"{LARGEST_BYTES} bytes are allowed.")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive, "r:gz") as packed:
            packed.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadRequest("The archive can't be unpacked.", why=str(error), fix="Send a tar.gz of the folder.") from None


def _read_procfile(folder: Path) -> str:
    file = folder / "Procfile"
    if not file.is_file():
        raise BadRequest(
            "The code has no Procfile.", why="It says which processes an app has.",
            fix="Write one, such as `web: python app.py`, into the folder that you deploy.",
        )  # fmt: skip
    return file.read_text(errors="replace")


def _open_to_dynos(folder: Path) -> int:
    """Readable by the user whom dynos run as; how many bytes it has."""
    folder.chmod(0o755)
    total = 0
    for path in folder.rglob("*"):
        if path.is_symlink():
            continue
        if path.is_dir():
            path.chmod(0o755)
        else:
            total += path.stat().st_size
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    return total
