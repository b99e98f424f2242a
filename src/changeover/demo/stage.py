"""The demo's environment: a temporary home with a control plane, and commands run as a user would.

Removes everything again.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import cast

from changeover.demo.screen import Screen
from changeover.errors import DemoFailed

CHECKOUT = Path(__file__).resolve().parents[3]
READY = "is ready at"
READY_S = 60
STOP_S = 40
COMMAND_S = 120
SYSTEM_USERS = ("changeover-pg", "changeover-state", "changeover-client", "changeover-app", "changeover-router")


class Stage:
    """Async context: creates the home on entry. On exit it stops and removes everything, unless `keep` was called."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._is_kept = False
        self._server: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self.home = Path()

    async def __aenter__(self) -> Stage:
        self.home = Path(tempfile.mkdtemp(prefix="changeover-demo-"))
        if os.geteuid() == 0:
            self.home.chmod(0o711)  # PostgreSQL runs as another user and must reach its data
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_kept:
            return
        await self._stop_server()
        shutil.rmtree(self.home)
        self._name_what_stays()

    def keep(self) -> None:
        """Leave everything running, and print how to use and end it."""
        self._is_kept = True
        self._screen.note(f"Everything keeps running: export CHANGEOVER_HOME={self.home}")
        self._screen.note(f"To end it: changeover stop --data-dir {self.home} && rm -r {self.home}")

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, pointed to the demo's home. Empty means unset."""
        ours = dict.fromkeys(
            ["URL", "API_KEY", "APP", "TEAM", "DATABASE_URL", "HOST", "OPERATOR_EMAIL", "MAX_DATABASES"], ""
        )
        return {
            **os.environ,
            **{f"CHANGEOVER_{name}": value for name, value in ours.items()},
            "HEROKU_APP": "",
            "HEROKU_TEAM": "",
            "CHANGEOVER_HOME": str(self.home),
        }

    async def start_server(self) -> None:
        """Start the control plane and wait until it is ready."""
        self._server = await self._spawn("server", "--listen", "127.0.0.1:0")
        said: list[str] = []
        ready = asyncio.Event()
        self._reading = asyncio.create_task(_read(output_of(self._server), said, ready))
        try:
            async with asyncio.timeout(READY_S):
                await ready.wait()
        except TimeoutError:
            raise DemoFailed(f"The control plane was not ready after {READY_S} s.", said="".join(said)) from None
        if not said or READY not in said[-1]:
            raise DemoFailed("The control plane ended before it was ready.", said="".join(said))
        self._screen.said(said[-1].rstrip())

    async def run(self, *arguments: str, show: Callable[[str], str | None] = str, echo: bool = True) -> str:
        """Echo a command, run it, print each line that `show` returns. Returns all its output. Raises DemoFailed."""
        process = await self._spawn(*arguments, echo=echo)
        said = ""
        try:
            async with asyncio.timeout(COMMAND_S):
                async for raw in output_of(process):
                    line = raw.decode().rstrip()
                    said += line + "\n"
                    shown = show(line)
                    if shown and shown.strip():
                        self._screen.said(shown)
                await process.wait()
        except BaseException:
            await _end(process)
            raise
        if process.returncode:
            raise DemoFailed(f"`changeover {shlex.join(arguments)}` exited with {process.returncode}.", said=said)
        return said

    async def _spawn(self, *arguments: str, echo: bool = True) -> asyncio.subprocess.Process:
        if echo:
            self._screen.command(f"changeover {shlex.join(arguments)}")
        # its own session: Ctrl-C is for the demo, which then ends each child in order
        return await asyncio.create_subprocess_exec(
            *changeover_command(),
            *arguments,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def _stop_server(self) -> None:
        """Raises DemoFailed if something may still be running. Then the home is kept for `changeover stop`."""
        if self._server is None or self._reading is None:
            return
        was_running = self._server.returncode is None
        if was_running:
            self._server.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                code = await self._server.wait()
        except TimeoutError:
            raise self._still_running(f"The control plane did not stop within {STOP_S} s.") from None
        await self._reading
        if was_running and code:
            raise self._still_running(f"The control plane exited with {code}.")

    def _still_running(self, what: str) -> DemoFailed:
        stop = f"changeover stop --data-dir {self.home} && rm -r {self.home}"
        return DemoFailed(what, said=f"Its processes may still be running, in {self.home}.", fix=f"End it: `{stop}`.")

    def _name_what_stays(self) -> None:
        if os.geteuid() != 0:
            return
        made = [name for name in SYSTEM_USERS if _exists(name)]
        if made:
            self._screen.note(
                f"Remaining on this machine: the system user{'s' * (len(made) > 1)} {' and '.join(made)}."
            )


def changeover_command() -> list[str]:
    """The command for our CLI: bin/changeover of this checkout, else the installed module."""
    script = CHECKOUT / "bin/changeover"
    return [str(script)] if script.exists() else [sys.executable, "-P", "-m", "changeover.cli"]


def output_of(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    """The output stream of a child that was started with a pipe."""
    return cast(asyncio.StreamReader, process.stdout)


def without_password(line: str) -> str:
    """The line without the password of a database URL."""
    return re.sub(r"(postgres(?:ql)?://[^:/]+):[^@]+@", r"\1:…@", line)


def nothing(_: str) -> None:
    """Shows no line."""


async def _read(stream: asyncio.StreamReader, said: list[str], ready: asyncio.Event) -> None:
    """Keep lines in `said` until READY or the end. Continues reading, because a full pipe would block the server."""
    async for line in stream:
        if not ready.is_set():
            said.append(line.decode())
        if READY in said[-1]:
            ready.set()
    ready.set()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()


def _exists(user: str) -> bool:
    try:
        return bool(pwd.getpwnam(user))
    except KeyError:
        return False
