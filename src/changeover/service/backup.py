"""`changeover backup FILE` and `restore FILE`: our state with its keys, without the databases' data.

The file is a tar with the dump, the keys, the operator's token and our certificate authority. It must be kept as secret as these.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from backports import tarfile  # Python 3.11.2, Debian 12's, has no extraction filters yet

from changeover.errors import AlreadyRunning, BadRequest
from changeover.hosts.disks import naming
from changeover.service.composition import connect_state
from changeover.service.moved import require_home_in_its_place
from changeover.service.places import Places
from changeover.service.state import State
from changeover.settings import Settings
from changeover.store import query
from changeover.store.migrate import migrate

DUMP = "state.dump"
BARE_DUMP = b"PGDMP"
"""The start of a dump, for example of a file in HOME/dumps, which contains no keys."""


async def backup(places: Places, settings: Settings, file: Path | None) -> None:
    """Write FILE (0600) completely or not at all. Works with or without a running control plane."""
    target = _named(file)
    if not places.state_data.exists() and settings.state_url is None:
        raise BadRequest(f"There is nothing to back up in {places.home}.", why="No control plane has run there.")
    require_home_in_its_place(places)
    state = State(places, settings)
    was_running = state.is_running()
    await state.start()
    partial = target.with_name(f".{target.name}.partial")
    try:
        with tempfile.TemporaryDirectory() as folder:
            dump = await state.dump(Path(folder) / DUMP)
            with naming(target), os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw:
                with tarfile.open(fileobj=raw, mode="w:gz") as archive:
                    archive.add(dump, DUMP)
                    for path in _kept(places):
                        archive.add(path, str(path.relative_to(places.home)))
                raw.flush()
                os.fsync(raw.fileno())
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
        if not was_running:
            await state.stop()
    print(f"Saved state and keys to {target}. Keep it secret, because it contains the keys.")


async def restore(places: Places, settings: Settings, file: Path | None) -> None:
    """Restore into a data directory without state. Cleans up after a failure.

    `file` is a backup, or only a dump if the home still has its keys.
    """
    source = _named(file)
    if not source.is_file():
        raise BadRequest(f"{source} is not a file.", fix="Give a file that `changeover backup` wrote.")
    if places.state_data.exists():
        raise AlreadyRunning(
            f"{places.home} already has a state.",
            why="A restore would replace it.",
            fix=f"Stop it (`changeover stop`) and move {places.state} away, or choose another --data-dir.",
        )
    places.make()
    state = State(places, settings)
    with tempfile.TemporaryDirectory() as folder:
        _unpack(source, Path(folder), places)
        try:
            await state.start()
            await state.load(Path(folder) / DUMP)
            migrate(state.conninfo)
            await _move_to(places, state, settings.host_name)
            for path in sorted(Path(folder).rglob("*")):
                _put_back(path, places.home / path.relative_to(folder))
        except BaseException:
            await state.stop()
            state.remove()
            raise
        await state.stop()
    print(f"Restored state and keys into {places.home}. Start it with `changeover server --data-dir {places.home}`.")


async def _move_to(places: Places, state: State, host: str) -> None:
    """The restored state may come from a home with another path."""
    home, sockets = str(places.home), str(places.sockets)
    async with await connect_state(state) as db, db.transaction():
        await query.execute(db, "homes.move_servers", home=home, sockets=sockets, host=host)
        await query.execute(db, "homes.move_poolers", home=home, sockets=sockets, host=host)
        await query.execute(db, "homes.move_slugs", home=home)


def _unpack(source: Path, folder: Path, places: Places) -> None:
    with source.open("rb") as file:
        is_bare = file.read(len(BARE_DUMP)) == BARE_DUMP
    if is_bare:
        _require_keys(source, places)
        shutil.copyfile(source, folder / DUMP)
        return
    try:
        with tarfile.open(source) as archive:
            archive.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise BadRequest(f"{source} is not a backup of changeover.", why=str(error)) from None
    if not (folder / DUMP).is_file():
        raise BadRequest(f"{source} is not a backup of changeover.", why=f"It does not contain {DUMP}.")


def _require_keys(dump: Path, places: Places) -> None:
    if not places.keys.exists():
        raise BadRequest(
            f"{dump} can't be restored into {places.home} without its keys.",
            why=f"It is a dump without keys, and {places.keys} is missing, so its passwords could not be decrypted.",
            fix="Restore it into its original home, or restore a file that `changeover backup` wrote.",
        )


def _put_back(path: Path, to: Path) -> None:
    if path.name == DUMP:
        return
    if path.is_dir():
        to.mkdir(mode=0o700, exist_ok=True)
        return
    to.unlink(missing_ok=True)
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(path.read_bytes())


def _kept(places: Places) -> list[Path]:
    return [path for path in (places.keys.parent, places.operator_token, places.ca) if path.exists()]


def _named(file: Path | None) -> Path:
    if file is None:
        raise BadRequest("No file given.", fix="`changeover backup FILE`")
    return file.absolute()
