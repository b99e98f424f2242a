"""A private control plane for the commands that move a database, used if no control plane runs.

It is an ordinary one with its own home, in its own session, so a closed terminal doesn't end it. It ends when no command uses it
and none of its runs is unfinished. Its state is kept for the next such command.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from changeover.cli import terminal
from changeover.cli.local import options, program
from changeover.cli.session import Session
from changeover.client import Client, Endpoint
from changeover.errors import AlreadyRunning, ChangeoverError, NotRunning, Reported, ServerFailed, Unauthorized
from changeover.settings import Settings

READY_S = 60.0
LOOK_S = 0.02


@contextmanager
def a_plane(session: Session) -> Iterator[Client]:
    """A client of the running control plane, or else of a private one, for the duration of the block."""
    if _answers(session):
        yield session.client
        return
    home = _home(session)
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    with (home / "in-use").open("a") as used:
        fcntl.flock(used, fcntl.LOCK_SH)  # waits for one that is just ending
        client = _started(dataclasses.replace(session.settings, home=home, url=None, api_key=None))
        try:
            yield client
        finally:
            client.close()


def was_any(session: Session) -> bool:
    """Whether there is a control plane, or ever was a private one."""
    return _answers(session) or _home(session).exists()


def _home(session: Session) -> Path:
    return session.settings.home.with_name(f"{session.settings.home.name}-private")


def _answers(session: Session) -> bool:
    """Whether a control plane runs. Raises NotRunning if one was given explicitly and does not run."""
    try:
        session.client.request("GET", "/healthz")
    except NotRunning:
        if session.settings.url:
            raise
        return False
    except ChangeoverError as error:
        if error.id != "no_answer" or session.settings.url:
            raise
    return True


def _started(settings: Settings) -> Client:
    """A client of the private one: started by another command, or now."""
    server: subprocess.Popen[bytes] | None = None
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            client = Client(Endpoint.find(settings), on_warning=terminal.warn)
            client.request("GET", "/healthz")
        except (NotRunning, Unauthorized):
            if server is None or server.poll() is not None:
                _raise_why_it_ended(settings.home, server)
                server = _start(settings.home)
            time.sleep(LOOK_S)
        else:
            return client
    raise ServerFailed("The private control plane did not become ready.", fix=f"See the logs in {settings.home}/log.")


def _start(home: Path) -> subprocess.Popen[bytes]:
    words = options(data_dir=home, listen="127.0.0.1:0", router_listen="127.0.0.1:0", until_idle=True, json=True)
    with (home / "said").open("wb") as said:
        return subprocess.Popen(
            program("changeover.service", ["serve", *words]),
            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def _raise_why_it_ended(home: Path, server: subprocess.Popen[bytes] | None) -> None:
    """Does not raise if another command started one that answers."""
    if server is None:
        return
    said = (home / "said").read_text(errors="replace").strip()
    try:
        error: ChangeoverError = Reported(json.loads(said.splitlines()[-1]))
    except (IndexError, ValueError):
        error = ServerFailed("The private control plane ended before it was ready.", why=said[-500:])
    if error.id != AlreadyRunning.id:
        raise error
