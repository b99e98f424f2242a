"""A router in a home of its own, web dynos as processes of their own, and people who keep asking and count every failure."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from changeover.hosts.users import ensure_system_users, run_as_for_router
from changeover.runtime.router import Address, CaddyRouter, RouterPlaces, Site

WEB_DYNO = Path(__file__).with_name("web_dyno.py")


@dataclass(frozen=True)
class Answer:
    """What came back for one request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


@dataclass
class WebDyno:
    """A web process that listens; `kill` and `end` are what happens to it."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def end(self) -> None:
        """As a supervisor does: SIGTERM, and wait."""
        self.process.terminate()
        assert self.process.wait(10) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@dataclass
class RouterHome:
    """`router` and where it keeps things; all that was started through this is gone after `close`."""

    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="co-")))
    dynos: list[WebDyno] = field(default_factory=list)
    address: Address = field(init=False)

    def __post_init__(self) -> None:
        self.home.chmod(0o755)
        self.places = RouterPlaces(self.home / "router", self.home / "sockets", run_as_for_router())
        self.router = CaddyRouter(self.places)

    async def start(self, listen: str = "127.0.0.1:0") -> None:
        """As a control plane does."""
        await ensure_system_users()
        self.address = await self.router.start(listen)

    async def web_dyno(self, name: str, port: int | None = None) -> WebDyno:
        """One that answers already."""
        port = port or unused_port()
        dyno = WebDyno(name, port, _run_web_dyno(name, port))
        self.dynos.append(dyno)
        await until(lambda: accepts(port))
        return dyno

    async def ask(
        self, path: str = "/", *, app: str = "shop", host: str = "", method: str = "GET", **headers: str
    ) -> Answer:
        """One request on a connection of its own."""
        reader, writer = await asyncio.open_connection(self.address.host, self.address.port)
        try:
            named = {"Connection": "close"} | {name.replace("_", "-"): value for name, value in headers.items()}
            writer.write(request(method, path, f"{host or f'{app}.localhost'}:{self.address.port}", **named))
            return await read_answer(reader)
        finally:
            writer.close()

    def trust(self, *networks: str) -> None:
        """From the next `apply` on."""
        self.router.leave()
        self.router = CaddyRouter(self.places, trusted_proxies=networks)

    def new_control_plane(self) -> None:
        """The one that there was is gone; the next one has a router object of its own."""
        self.router.leave()
        self.router = CaddyRouter(self.places)

    async def close(self) -> None:
        await self.router.stop()
        for dyno in self.dynos:
            dyno.kill()
        await asyncio.to_thread(shutil.rmtree, self.home)


def _run_web_dyno(name: str, port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-I", WEB_DYNO, str(port), name])


def shop(*dynos: WebDyno) -> Site:
    return Site("shop", ("shop.localhost",), tuple(dyno.port for dyno in dynos))


def others(count: int) -> tuple[Site, ...]:
    """Further apps, nobody's."""
    return tuple(Site(f"other-{number}", (f"other-{number}.localhost",)) for number in range(count))


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def until(is_so: Callable[[], bool], *, timeout_s: float = 60) -> None:
    """Ask again and again until it is so; fails when the time is up."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.01)


def request(method: str, path: str, host: str, **headers: str) -> bytes:
    body = b"x" * 100 if method == "POST" else b""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    while "transfer-encoding" in headers and (size := int(await reader.readline(), 16)) >= 0:
        body += (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            break
    return Answer(int(head[0].split()[1]), headers, body)


@dataclass
class Crowd:
    """People with a browser each: connections are kept and used again, half of the requests are POSTs, nobody tries again."""

    address: Address
    per_second: int = 200
    people: int = 16
    host: str = "shop.localhost"
    statuses: Counter[int] = field(default_factory=Counter)
    dynos: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    slowest_s: float = 0
    connections: int = 0
    is_over: bool = False

    @property
    def asked(self) -> int:
        return self.statuses.total() + len(self.failed)

    async def person(self, number: int) -> None:
        pause_s = self.people / self.per_second
        due = time.monotonic() + pause_s * number / self.people
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self.is_over:
            await asyncio.sleep(max(0, due - time.monotonic()))
            due = max(due + pause_s, time.monotonic() - 1)
            connection = await self._ask(connection, "POST" if self.asked % 2 else "GET")
        if connection:
            connection[1].close()

    async def _ask(
        self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None, method: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        began = time.monotonic()
        try:
            if connection and connection[0].at_eof():  # closed while nothing was asked: every client notices that
                connection[1].close()
                connection = None
            if connection is None:
                connection = await asyncio.open_connection(self.address.host, self.address.port)
                self.connections += 1
            reader, writer = connection
            writer.write(request(method, "/", self.host))
            answer = await asyncio.wait_for(read_answer(reader), 30)
        except (OSError, EOFError, TimeoutError) as error:
            self.failed.append(f"{method} after {time.monotonic() - began:.3f} s: {error!r}")
            if connection:
                connection[1].close()
            return None
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.statuses[answer.status] += 1
        if answer.status == 200:
            self.dynos[answer.said["dyno"]] += 1
        if answer.headers.get("connection", "") == "close":
            writer.close()
            return None
        return connection

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[Crowd]:
        """As long as the block lasts; the last answers are awaited."""
        people = [asyncio.create_task(self.person(number)) for number in range(self.people)]
        try:
            yield self
        finally:
            self.is_over = True
            await asyncio.gather(*people)
