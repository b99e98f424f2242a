"""`changeover stop`: ends the parent, and everything that it may have left running."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys

from changeover.errors import NotRunning, ServerFailed
from changeover.service.moved import require_home_in_its_place
from changeover.service.places import Places

STOP_S = 120.0


def stop(places: Places) -> int:
    """Raises NotRunning if nothing runs, ServerFailed if the parent does not end."""
    require_home_in_its_place(places)
    pid = _parent(places)
    if pid is None and not (places.state_data / "postmaster.pid").exists():
        raise NotRunning(f"No control plane runs in {places.home}.", fix="`changeover server` starts it.")
    if pid is not None:
        _end(pid, places)
    if (places.state_data / "postmaster.pid").exists():
        done = subprocess.run(
            [sys.executable, "-P", "-m", "changeover.service", "teardown", f"--data-dir={places.home}"], check=False
        )
        return done.returncode
    return 0


def _parent(places: Places) -> int | None:
    """The pid of the running parent, which writes it into its lock file."""
    try:
        with places.lock.open("r+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(handle.read())
    except FileNotFoundError:
        pass
    return None


def _end(pid: int, places: Places) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(STOP_S * 1000):
            raise ServerFailed(
                "changeover does not stop.", why=f"Process {pid} has not ended within {STOP_S:.0f} seconds.",
                fix=f"See the logs in {places.logs}.",
            )  # fmt: skip
    finally:
        os.close(handle)
