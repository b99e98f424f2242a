"""A local engine in a temporary home, and servers in it that are gone when the test is over."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from changeover.engines.engine import Credential, Server, Size
from changeover.engines.local import CertificateAuthority, LocalEngine
from changeover.hosts.processes import end_all, everything_running
from changeover.hosts.users import ensure_system_users, run_as_for_servers
from changeover.postgres.connect import Address, connect
from changeover.postgres.installations import Installation

SMALL = Size(max_connections=20, memory_mb=64)


@dataclass
class Host:
    """`engine` and where it keeps things. Make servers through it and it removes them at the end."""

    installation: Installation
    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="co-")))
    servers: list[Server] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home.chmod(0o755)
        self.authority = CertificateAuthority(self.home / "ca")
        self.engine = self.engine_at(self.home)

    def engine_at(self, home: Path) -> LocalEngine:
        """Another engine with the same authority and sockets, such as a restarted control plane makes."""
        sockets = self.home / "sockets"
        run_as = run_as_for_servers()
        return LocalEngine(home, sockets, self.authority, run_as=run_as, installation=self.installation)

    def plan(self, *, leader: Server | None = None, engine: LocalEngine | None = None) -> Server:
        """Where a new server would live; nothing is made."""
        name = f"s{secrets.token_hex(4)}"
        taken = frozenset(server.port for server in self.servers)
        server = (engine or self.engine).plan_server(name, address="127.0.0.1", taken_ports=taken, leader=leader)
        self.servers.append(server)
        return server

    async def new_server(self, size: Size = SMALL) -> Server:
        await ensure_system_users()
        server = self.plan()
        await self.engine.create(server, size)
        return server

    async def new_follower(self, leader: Server) -> Server:
        """A follower that is up and streams."""
        follower = self.plan(leader=leader)
        await self.engine.begin_copy(follower, leader, SMALL)
        await self.copied(follower, leader)
        await self.engine.start(follower)
        return follower

    async def copied(self, follower: Server, leader: Server) -> list[int]:
        """Wait for the first copy; every percentage that was seen."""
        seen = []

        async def is_done() -> bool:
            progress = await self.engine.copy_progress(follower, leader)
            seen.append(progress.percent)
            return progress.is_done

        await until(is_done)
        return seen

    async def new_database(self, server: Server) -> Database:
        name, user = f"d{secrets.token_hex(5)}", f"u{secrets.token_hex(5)}"
        database = Database(server, name, Credential(user, secrets.token_hex(16)), self.authority.ensure())
        await self.engine.create_database(server, name, database.owner)
        return database

    async def close(self) -> None:
        """Remove every server, what a failed test left of poolers, and the home."""
        ours = f"{self.home}/poolers/"
        await end_all(
            lambda: [one for one in everything_running() if one.arguments[-1].startswith(ours)], gently=signal.SIGTERM
        )
        engines = [self.engine_at(server.data_directory.parents[2]) for server in self.servers]
        await asyncio.gather(*(engine.destroy(server) for engine, server in zip(engines, self.servers, strict=True)))
        await asyncio.to_thread(shutil.rmtree, self.home)


@dataclass(frozen=True)
class Database:
    """A user's database and how the user comes in."""

    server: Server
    name: str
    owner: Credential
    authority: Path

    def connect(self, **changed: object) -> psycopg.Connection[TupleRow]:
        """As its owner, over TCP, the server's certificate checked."""
        parameters: dict[str, object] = {
            "host": self.server.address,
            "port": self.server.port,
            "user": self.owner.user,
            "password": self.owner.password,
            "dbname": self.name,
            "sslmode": "verify-full",
            "sslrootcert": str(self.authority),
        }
        return psycopg.connect(autocommit=True, **(parameters | changed))  # type: ignore[arg-type]


async def ask(server: Server, query: str, database: str = "postgres") -> list[TupleRow]:
    """What our superuser gets for a query; nothing for a statement without rows."""
    async with connect(Address(server.socket_directory, server.port), database=database, timeout_s=60) as connection:
        answer = await connection.execute(query.encode())
        return await answer.fetchall() if answer.description else []


async def until(is_so: Callable[[], Awaitable[bool]], *, timeout_s: float = 60) -> None:
    """Ask again and again until it is so; fails when the time is up."""
    deadline = time.monotonic() + timeout_s
    while not await is_so():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)


async def until_replayed(follower: Server, leader: Server) -> None:
    """The follower has everything that the leader has written so far."""
    ((end,),) = await ask(leader, "SELECT pg_current_wal_flush_lsn()::text")

    async def is_there() -> bool:
        return (await ask(follower, f"SELECT pg_last_wal_replay_lsn() >= '{end}'"))[0] == (True,)

    await until(is_there)
