"""Refuses to start a home that was moved or copied, because its files contain its path."""

from __future__ import annotations

import re
from pathlib import Path

from changeover.errors import HomeMoved
from changeover.service.places import Places

SOCKETS = re.compile(r"^unix_socket_directories\s*=\s*'\"?([^'\"]+)", re.MULTILINE)


def require_home_in_its_place(places: Places) -> None:
    """Raises HomeMoved. Touches no file and no process, because those in the files may belong to another home."""
    here = places.home.resolve()
    if places.made_at.exists():
        made_at = Path(places.made_at.read_text().strip())
        if made_at != here:
            raise _moved(here, made_at)
    elif (sockets := _sockets_of_state(places)) not in (None, str(places.state_sockets)):
        raise HomeMoved(
            f"The home {here} was moved or copied from another place.",
            why=f"Its servers were made for the socket folder {sockets}, which belongs to that place.",
            fix="Move it back to its original path, and start it there.",
        )


def note_its_place(places: Places) -> None:
    """Once, at the first start."""
    if not places.made_at.exists():
        fresh = places.made_at.with_suffix(".new")
        fresh.write_text(f"{places.home.resolve()}\n")
        fresh.rename(places.made_at)


def where_it_is_now(open_file: int, name: str) -> Path | None:
    """The home of an open file, by the file's current name. None if it was deleted."""
    path = Path(f"/proc/self/fd/{open_file}").readlink()
    return path.parent if path.name == name and path.exists() else None


def _sockets_of_state(places: Places) -> str | None:
    try:
        found = SOCKETS.search((places.state_data / "postgresql.conf").read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found[1] if found else None


def _moved(here: Path, made_at: Path) -> HomeMoved:
    if (made_at / "changeover.lock").exists():
        return HomeMoved(
            f"The home {here} is a copy of {made_at}.",
            why=f"Its files refer to servers, sockets and apps of {made_at}, which still exists.",
            fix=f"Start that one (--data-dir {made_at}). For a second installation: `changeover backup FILE` there, then "
            f"`changeover restore FILE --data-dir NEW`.",
        )
    return HomeMoved(
        f"The home {here} was moved from {made_at}.",
        why="Its servers, poolers and apps are configured with paths below the previous path.",
        fix=f"Move it back (`mv {here} {made_at}`). To keep the data at the current path, mount it there: "
        f"`mkdir {made_at} && mount --bind {here} {made_at}`. Then start it with --data-dir {made_at}.",
    )
