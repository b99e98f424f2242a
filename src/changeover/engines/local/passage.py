"""The pause of a changeover between two servers of this host, over connections opened beforehand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from changeover.engines.engine import Credential, Server
from changeover.engines.passage import EndOfSource, Fenced, Readiness
from changeover.errors import WrongTarget
from changeover.postgres import canary, fencing, replication
from changeover.postgres.acting import Actor, acting
from changeover.postgres.cluster import Cluster
from changeover.postgres.connect import Address, Connection, connect
from changeover.postgres.sessions import sessions
from changeover.postgres.wal import position_number

POLL_S = 0.001
PREPARE_S = 10.0
PATIENCE_WITH_READERS = ("max_standby_streaming_delay", "max_standby_archive_delay")
"""Both matter: which one applies depends on where the startup process found the record."""


@dataclass(frozen=True)
class LocalPassage:
    """Open connections: ours to both servers, another one to watch the promotion, and one to the target as the app's role."""

    cluster: Cluster
    source: Connection
    in_database: Connection
    """Ours, to the database on the source."""
    target: Connection
    watching: Connection
    as_app: Connection

    async def readiness(self, *, quiet_s: float) -> Readiness:
        there = await sessions(self.source)
        end = await replication.flushed_position(self.source)
        position = await replication.follower_position(self.target)
        return Readiness(
            behind_bytes=max(0, position_number(end) - position_number(position.replayed or end)),
            is_streaming=position.is_streaming,
            in_the_way=tuple(str(one) for one in there if one.transaction_s > quiet_s),
        )

    async def prepare(self, mark: str) -> None:
        # Must come first: a startup process that is already waiting for a reader doesn't reread its settings until then.
        await _alter(self.target, "ALTER SYSTEM SET {} = 0", PATIENCE_WITH_READERS)
        await fencing.prepare(self.cluster, mark, timeout_s=PREPARE_S)
        await canary.create_table(self.in_database, self.as_app.info.user)
        await self.source.execute("CHECKPOINT")
        await self.target.execute("CHECKPOINT")

    async def settle(self) -> None:
        await wait_for_readers_again(self.target)

    async def fence(self, mark: str, *, timeout_s: float) -> Fenced:
        proof = await fencing.fence(self.cluster, self.source, mark=mark, timeout_s=timeout_s)
        return Fenced(proof.refusal, proof.ended, proof.prepared)

    async def end_of_source(self, token: str) -> EndOfSource:
        return EndOfSource(*await replication.write_end(self.source, token), token)

    async def arrived(self, end: EndOfSource, *, timeout_s: float) -> bool:
        identifier, timeline = await replication.history(self.target)
        if (identifier, timeline) != (end.system_identifier, end.timeline):
            raise WrongTarget(
                "The target is no longer a copy of the source.",
                why=f"It has system identifier {identifier} and timeline {timeline}. "
                f"The source has {end.system_identifier} and {end.timeline}.",
                fix="Nothing was switched. Destroy this follower and create a new one.",
            )
        deadline = time.monotonic() + timeout_s
        while not await replication.has_replayed(self.target, end.position):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def promote(self) -> int:
        await replication.promote_by(self.target, self.watching, timeout_s=60)
        return await replication.leader_timeline(self.watching)

    async def canary(self, token: str) -> None:
        await canary.probe_as_app(self.as_app, token)


@asynccontextmanager
async def open_passage(
    cluster: Cluster, source: Server, target: Server, *, database: str, role: Credential, acting_as: str
) -> AsyncIterator[LocalPassage]:
    """Opens every connection that the pause needs. Raises ServerUnreachable, RunConflict, CanaryFailed."""
    actor = Actor.named(acting_as)
    here, there = Address(source.socket_directory, source.port), Address(target.socket_directory, target.port)
    async with AsyncExitStack() as stack:
        yield LocalPassage(
            cluster=cluster,
            source=await stack.enter_async_context(acting(here, actor)),
            in_database=await stack.enter_async_context(
                connect(here, database=database, application_name=actor.application_name)
            ),
            target=await stack.enter_async_context(acting(there, actor)),
            watching=await stack.enter_async_context(connect(there, application_name=actor.application_name)),
            as_app=await stack.enter_async_context(
                canary.connect_as_app(
                    address=target.address,
                    port=target.port,
                    database=database,
                    user=role.user,
                    password=role.password,
                    where=target.name,
                )
            ),
        )


async def wait_for_readers_again(target: Connection) -> None:
    """Let replay wait for readers again, as before `prepare`."""
    await _alter(target, "ALTER SYSTEM RESET {}", PATIENCE_WITH_READERS)


async def _alter(connection: Connection, statement: LiteralString, names: Sequence[str]) -> None:
    for name in names:
        await connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
    await connection.execute("SELECT pg_reload_conf()")
