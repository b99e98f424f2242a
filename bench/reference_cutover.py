"""The pause without any state of ours: two servers, a PgBouncer, and the steps one after the other. Beside bench/cutover.py."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import LiteralString

import psycopg

from changeover.engines.engine import Credential, Server, Size
from changeover.engines.local import CertificateAuthority, LocalEngine
from changeover.engines.local.pgbouncer import LocalPoolers
from changeover.hosts.users import ensure_system_users, run_as_for_servers
from changeover.postgres.fencing import fence_file

SIZE = Size(max_connections=200, memory_mb=4096)


class Reference:
    """A database behind a pooler, moved from server to server by hand."""

    def __init__(self, synchronous_commit: str) -> None:
        self._synchronous_commit = synchronous_commit
        self.home = Path(tempfile.mkdtemp(prefix="bench-"))
        self.home.chmod(0o711)
        authority = CertificateAuthority(self.home / "ca")
        run_as = run_as_for_servers()
        self.engine = LocalEngine(self.home, self.home / "s", authority, run_as=run_as)
        self.poolers = LocalPoolers(self.home, self.home / "s", authority, run_as=run_as)
        self.owner = Credential("reference", secrets.token_hex(8))
        self.loop = asyncio.new_event_loop()
        self.servers: list[Server] = []
        self.loop.run_until_complete(self._begin())

    def __enter__(self) -> Reference:
        return self

    async def _begin(self) -> None:
        await ensure_system_users()
        self.leader = self._plan(None)
        await self.engine.create(self.leader, SIZE)
        await self.engine.create_database(self.leader, "reference", self.owner)
        with self._ours(self.leader, "reference") as ours:
            ours.execute("CREATE TABLE orders (id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())")
            ours.execute("ALTER TABLE orders OWNER TO reference")
            ours.execute(f"ALTER DATABASE reference SET synchronous_commit = {self._synchronous_commit}".encode())
        self.pooler = self.poolers.plan_pooler("p0", address="127.0.0.1", taken_ports=frozenset())
        await self.poolers.start(self.pooler, await self._route(self.leader))

    def _plan(self, leader: Server | None) -> Server:
        taken = frozenset(one.port for one in self.servers)
        name = f"s{secrets.token_hex(4)}"
        self.servers.append(self.engine.plan_server(name, address="127.0.0.1", taken_ports=taken, leader=leader))
        return self.servers[-1]

    async def _route(self, server: Server):  # type: ignore[no-untyped-def]
        return await self.poolers.route_to(server, "reference", roles=["reference"], most_connections=150)

    @property
    def url(self) -> str:
        return f"postgres://reference:{self.owner.password}@127.0.0.1:{self.pooler.port}/reference"

    def _ours(self, server: Server, database: str = "postgres"):  # type: ignore[no-untyped-def]
        return psycopg.connect(
            host=str(server.socket_directory), port=server.port, user="changeover", dbname=database, autocommit=True
        )

    def move(self) -> dict[str, float]:
        return self.loop.run_until_complete(self._move())

    async def _move(self) -> dict[str, float]:
        target, times = self._plan(self.leader), {}
        await self.engine.begin_copy(target, self.leader, SIZE)
        while not (await self.engine.copy_progress(target, self.leader)).is_done:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await self.engine.start(target)
        route = await self._route(target)
        access = self.leader.data_directory / "pg_hba.conf"
        with self._ours(self.leader) as source, self._ours(target) as there, self._ours(target) as watching:
            source.execute("CHECKPOINT")
            there.execute("CHECKPOINT")
            async with self.poolers.console(self.pooler) as console:
                began = time.monotonic()
                while not await console.pause(timeout_s=0.06):
                    began = time.monotonic()
                times["held"] = time.monotonic() - began
                access.write_text(fence_file("reference"))
                source.execute("SELECT pg_reload_conf()")
                source.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reference'")
                times["fenced"] = time.monotonic() - began
                source.execute("SELECT pg_logical_emit_message(true, 'reference', 'end')")
                [(end,)] = source.execute("SELECT pg_current_wal_flush_lsn()").fetchall()
                await until(there, "SELECT pg_last_wal_replay_lsn() >= %s", end)
                times["drained"] = time.monotonic() - began
                there.execute("SELECT pg_promote(false)")
                await until(watching, "SELECT NOT pg_is_in_recovery()")
                times["promoted"] = time.monotonic() - began
                await console.lead_to(route)
                await console.resume()
                times["released"] = time.monotonic() - began
        await self.engine.destroy(self.leader)
        self.leader = target
        return {phase: moment * 1000 for phase, moment in times.items()}

    def __exit__(self, *error: object) -> None:
        self.loop.run_until_complete(self.poolers.destroy(self.pooler))
        for server in self.servers:
            self.loop.run_until_complete(self.engine.destroy(server))
        shutil.rmtree(self.home)


async def until(connection: psycopg.Connection, query: LiteralString, *values: str) -> None:
    """Ask every millisecond until it is so."""
    while connection.execute(query, values).fetchone() != (True,):  # noqa: ASYNC110 - a server sends no event
        await asyncio.sleep(0.001)
