"""A control plane for one command, where none runs: what moves a database shall not need a server of ours first.

It is an ordinary one over a home of its own, in a session of its own, so that a closed terminal doesn't end it. It ends
itself when no command uses it and no run of it is unfinished; what it knows stays, and the next such command goes on.
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
    """A client of the control plane that runs, else of a private one, kept for as long as the block takes."""
    if _answers(session):
        yield session.client
        return
    home = _home(session)
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    with (home / "in-use").open("a") as used:
        fcntl.flock(used, fcntl.LOCK_SH)  # one that is just ending is waited for
        client = _started(dataclasses.replace(session.settings, home=home, url=None, api_key=None))
        try:
            yield client
        finally:
            client.close()


def was_any(session: Session) -> bool:
    """Whether there is a control plane to ask, or ever was a private one."""
    return _answers(session) or _home(session).exists()


def _home(session: Session) -> Path:
    return session.settings.home.with_name(f"{session.settings.home.name}-private")


def _answers(session: Session) -> bool:
    """Whether there is one to speak to. Raises NotRunning when one was named and is not there."""
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
    """Of the one over that home: the one that another command uses, or a new one."""
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
    raise ServerFailed("The private control plane did not get ready.", fix=f"The logs in {settings.home}/log say more.")


def _start(home: Path) -> subprocess.Popen[bytes]:
    words = options(data_dir=home, listen="127.0.0.1:0", router_listen="127.0.0.1:0", until_idle=True, json=True)
    with (home / "said").open("wb") as said:
        return subprocess.Popen(
            program("changeover.service", ["serve", *words]),
            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def _raise_why_it_ended(home: Path, server: subprocess.Popen[bytes] | None) -> None:
    """Unless another command's was faster, and is the one to speak to."""
    if server is None:
        return
    said = (home / "said").read_text(errors="replace").strip()
    try:
        error: ChangeoverError = Reported(json.loads(said.splitlines()[-1]))
    except (IndexError, ValueError):
        error = ServerFailed("The private control plane ended before it was ready.", why=said[-500:])
    if error.id != AlreadyRunning.id:
        raise error
