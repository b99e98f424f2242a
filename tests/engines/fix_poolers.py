"""A pooler in front of a user's database, and clients that come through it."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow
from tests.engines.fix_host import Database, Host
from tests.fix_poolers import CHOSEN, poolers_below

from changeover.engines.engine import Server
from changeover.engines.local.pgbouncer import LocalPoolers
from changeover.engines.local.pgbouncer.program import find_pgbouncer
from changeover.engines.pooler import Pooler, Route, canary_name
from changeover.hosts.users import run_as_for_servers

MOST = 5
Client = psycopg.AsyncConnection[TupleRow]


def poolers_of(host: Host, *, program: Path | None = None) -> LocalPoolers:
    """`program`: another PgBouncer than the tests' own."""
    sockets = host.home / "sockets"
    return LocalPoolers(host.home, sockets, host.authority, run_as=run_as_for_servers(), configured=program or CHOSEN)


def processes_of(pooler: Pooler) -> list[int]:
    return poolers_below(pooler.folder)


@dataclass
class Pooled:
    """A database and the pooler that leads to it."""

    host: Host
    database: Database
    pooler: Pooler
    poolers: LocalPoolers = field(init=False)

    def __post_init__(self) -> None:
        self.poolers = poolers_of(self.host)

    async def route(self, server: Server | None = None) -> Route:
        return await self.poolers.route_to(
            server or self.database.server, self.database.name, roles=[self.database.owner.user], most_connections=MOST
        )

    async def start(self) -> None:
        await self.poolers.start(self.pooler, await self.route())

    def parameters(self, **changed: object) -> dict[str, object]:
        return {
            "host": self.pooler.address,
            "port": self.pooler.port,
            "user": self.database.owner.user,
            "password": self.database.owner.password,
            "dbname": self.database.name,
            "sslmode": "verify-full",
            "sslrootcert": str(self.database.authority),
            "connect_timeout": 30,
        } | changed

    async def connect(self, **changed: object) -> Client:
        """A client of the app: by address, TLS checked."""
        return await psycopg.AsyncConnection.connect(
            autocommit=True, prepare_threshold=None, **self.parameters(**changed)  # type: ignore[arg-type]
        )  # fmt: skip

    async def connect_canary(self) -> Client:
        return await self.connect(dbname=canary_name(self.database.name))

    @asynccontextmanager
    async def clients(self, count: int) -> AsyncIterator[list[Client]]:
        clients = [await self.connect() for _ in range(count)]
        try:
            yield clients
        finally:
            await asyncio.gather(*(client.close() for client in clients))

    async def remove(self) -> None:
        await self.poolers.destroy(self.pooler)


def planned(host: Host, database: Database) -> Pooled:
    name = f"p{secrets.token_hex(4)}"
    plan = poolers_of(host).plan_pooler(name, address=database.server.address, taken_ports=frozenset())
    return Pooled(host, database, plan)


async def scalar(client: Client, query: str) -> object:
    row = await (await client.execute(query.encode())).fetchone()
    return row[0] if row else None


def moved(pooled: Pooled, **changes: object) -> Pooled:
    """The same database behind another pooler."""
    return Pooled(pooled.host, pooled.database, replace(pooled.pooler, **changes))  # type: ignore[arg-type]


def copied_program(folder: Path) -> Path:
    """Another build, for all that anybody can see."""
    folder.chmod(0o755)
    return Path(shutil.copy(find_pgbouncer(CHOSEN), folder / "pgbouncer"))
