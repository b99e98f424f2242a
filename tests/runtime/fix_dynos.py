"""A home of dynos in a temporary folder: what tests say to make one, and what they look at."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from changeover.hosts.processes import Process
from changeover.hosts.users import APP_USER
from changeover.runtime.dynos import LocalDynos
from changeover.runtime.dynos.places import Places
from changeover.runtime.dynos.remains import bearing, is_launcher
from changeover.runtime.runtime import Dyno, Dynos, DynoState, Logs

SERVE = """
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(float(os.environ.get("BOOT_S", "0")))
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as door:
    while True:
        guest, _ = door.accept()
        guest.sendall(os.environ["DYNO"].encode())
        guest.close()
"""
"""A web dyno: says its name to everybody who comes."""
IGNORE_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def user_of_dynos() -> str | None:
    return APP_USER if os.geteuid() == 0 else None


@dataclass
class Home:
    """`dynos` and where they keep things; `app` is the key of an app of its own, `directory` its code."""

    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="co-")))
    sockets: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="co-")))
    app: str = field(default_factory=lambda: f"app-{secrets.token_hex(3)}")
    run_as: str | None = field(default_factory=user_of_dynos)
    """None: as without root, nothing keeps dynos apart."""

    def __post_init__(self) -> None:
        self.home.chmod(0o755)
        self.directory = self.home / "code"
        self.directory.mkdir(mode=0o755)
        self.dynos = self.at_hand()

    def at_hand(self, *, stop_s: float = 2) -> LocalDynos:
        """Such as a restarted control plane makes."""
        return LocalDynos(self.home, self.sockets, run_as=self.run_as, stop_s=stop_s)

    @property
    def places(self) -> Places:
        return Places(self.home, self.sockets, self.run_as)

    def dyno(
        self, name: str, command: str, *, environment: Mapping[str, str] | None = None, release: int = 1, port: int | None = None
    ) -> Dyno:  # fmt: skip
        return Dyno(self.app, name, name.partition(".")[0], command, self.directory, environment or {}, release, port)

    def script(self, text: str) -> str:
        """The command that runs this Python program."""
        path = self.directory / f"{secrets.token_hex(4)}.py"
        path.write_text(text)
        path.chmod(0o644)
        return f"exec python3 {path.name}"

    def key_of(self, name: str) -> str:
        """Of the one dyno of this name that is there."""
        [path] = self.places.sheet("").parent.glob(f"{self.app}.{name}.*.json")
        return path.name.removesuffix(".json")

    async def state(self, name: str) -> DynoState:
        return next(state for state in await self.dynos.states(self.app) if state.name == name)

    async def until_state(self, name: str, wanted: str) -> DynoState:
        async def is_so() -> bool:
            return (await self.state(name)).state == wanted

        await until(is_so)
        return await self.state(name)

    async def pids(self) -> dict[str, int]:
        """Of the commands, once each has begun."""

        async def all_began() -> bool:
            return all(state.pid for state in await self.dynos.states(self.app))

        await until(all_began)
        return {state.name: state.pid or 0 for state in await self.dynos.states(self.app)}

    def said(self, *, source: str | None = None, dyno: str | None = None) -> list[str]:
        """What stands behind the colon of each line."""
        return [
            line.text.partition("]: ")[2] for line in self.dynos.logs.last(self.app, 10_000, source=source, dyno=dyno)
        ]

    async def until_said(self, text: str, *, timeout_s: float = 60) -> None:
        async def is_there() -> bool:
            return any(text in line for line in self.said() if not line.startswith("Starting process"))

        await until(is_there, timeout_s=timeout_s)

    def processes(self) -> list[int]:
        """All that still runs of it."""
        return [one.pid for one in self._marked()]

    def commands(self) -> list[int]:
        """Likewise, without what holds it together."""
        return [one.pid for one in self._marked() if not is_launcher(one)]

    def _marked(self) -> list[Process]:
        return bearing(lambda mark: mark.startswith(self.places.identity))

    async def close(self) -> None:
        await self.dynos.stop()
        left = self.processes()
        for folder in (self.home, self.sockets):
            await asyncio.to_thread(shutil.rmtree, folder)
        assert left == []


def as_contracts(dynos: LocalDynos) -> tuple[Dynos, Logs]:
    """For the type checker: what is here keeps the contract that the platform sees."""
    return dynos, dynos.logs


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


async def until(is_so: Callable[[], Awaitable[bool]], *, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not await is_so():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)


async def greeting(port: int) -> str | None:
    """Who answers there; None when nobody does."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None
    try:
        return (await reader.read()).decode() or None
    except ConnectionResetError:
        return None
    finally:
        writer.close()
