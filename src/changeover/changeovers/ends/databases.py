"""Source, target and the poolers in front of them, as a changeover acts on them. Read from our state once for each attempt."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from changeover.engines.engine import Credential, Server
from changeover.engines.passage import EndOfSource, Passage
from changeover.engines.pooler import Console, Pooler, Route, canary_name
from changeover.errors import NotAvailable, NotQuiet, ServerUnreachable
from changeover.platform.pooling import poolers_of, route_to
from changeover.platform.scope import Parts
from changeover.platform.servers import server_of
from changeover.postgres.canary import connect_as_app, probe_as_app
from changeover.postgres.connect import Connection
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow
from changeover.store.query import Db
from changeover.store.rows import CredentialRow, Database

FENCE_S, DRAIN_S = 5.0, 30.0


@dataclass(frozen=True)
class Sides:
    """`role` is the default credential, the same on both sides."""

    parts: Parts
    source: Server
    target: Server
    database: str
    role: Credential
    poolers: Sequence[Pooler]
    of_source: Database
    of_target: Database

    @classmethod
    async def load(cls, db: Db, parts: Parts, row: ChangeoverRow) -> Sides:
        source, target = await both_databases(db, row)
        credential, *_ = await query.rows(db, CredentialRow, "databases.credentials", addon_id=row.our_source_id)
        poolers = await poolers_of(db, row.our_source_id) or await poolers_of(db, target.addon_id)
        return cls(
            parts=parts,
            source=await server_of(db, source.server_name),
            target=await server_of(db, target.server_name),
            database=source.database_name,
            role=Credential(credential.user_name, parts.cipher.decrypt(credential.password)),
            poolers=poolers,
            of_source=source,
            of_target=target,
        )

    # -- the pause

    def passage(self, acting_as: str) -> AbstractAsyncContextManager[Passage]:
        return self.parts.engine.passage(
            self.source, self.target, database=self.database, role=self.role, acting_as=acting_as
        )

    @asynccontextmanager
    async def ways(self, db: Db, *, revives: bool = False) -> AsyncIterator[list[Way]]:
        """Every pooler with its console. `revives`: one that is down comes back leading to the target."""
        if not self.poolers:
            yield []
            return
        to_target = await route_to(db, self.parts, self.of_target)
        if revives:
            await self._start_poolers(to_target)
        async with self._consoles() as consoles:
            yield [Way(self, *each, to_target) for each in zip(self.poolers, consoles, strict=True)]

    # -- going on after a crash

    async def lift_fence(self) -> None:
        await self.parts.engine.lift_fence(self.source)

    async def let_poolers_go_on(self) -> None:
        """Resume them to where they lead. One that is down is started first: its keeper does not do that during a pause."""
        await self._start_poolers()
        async with self._consoles() as consoles:
            for console in consoles:
                await console.resume()

    async def _start_poolers(self, route: Route | None = None) -> None:
        for pooler in self.poolers:
            await self.parts.poolers.start(pooler, route)

    @asynccontextmanager
    async def _consoles(self) -> AsyncIterator[list[Console]]:
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(self.parts.poolers.console(pooler)) for pooler in self.poolers]

    async def target_is_leader(self) -> bool:
        """Raises ServerUnreachable when it is unknown."""
        health = await self.parts.engine.health(self.target)
        if health.is_in_recovery is None:
            raise ServerUnreachable(f"The target {self.target.name} does not answer.", why=health.because)
        return not health.is_in_recovery

    async def drain_again(self, acting_as: str, end: EndOfSource, mark: str) -> None:
        """The source fenced and its end on the target; or, where it is gone, what is known of its end. Raises NotQuiet."""
        if (await self.parts.engine.health(self.source)).state == "available":
            async with self.passage(acting_as) as passage:
                await passage.fence(mark, timeout_s=FENCE_S)
                if not await passage.arrived(await passage.end_of_source(end.token), timeout_s=DRAIN_S):
                    raise NotQuiet("The target did not get the last writes in time.")
        elif self.parts.engine.fenced_by(self.source) is None:
            raise NotQuiet("The source is down and was not fenced: it has to be started first.")
        elif not await self.parts.engine.has_arrived(self.target, end):
            raise NotQuiet("The target does not have the last writes of the source, which is down.")

    async def promote(self, acting_as: str) -> None:
        await self.parts.engine.promote(self.target, acting_as=acting_as)

    async def canary(self, token: str) -> None:
        """Directly to the target, by a new connection. Raises CanaryFailed."""
        async with connect_as_app(
            address=self.target.address, port=self.target.port, database=self.database,
            user=self.role.user, password=self.role.password, where=self.target.name,
        ) as connection:  # fmt: skip
            await probe_as_app(connection, token)


@dataclass(frozen=True)
class Way:
    """One pooler in front of both sides, its console open."""

    sides: Sides
    pooler: Pooler
    console: Console
    to_target: Route

    @asynccontextmanager
    async def canary(self, db: Db) -> AsyncIterator[Connection]:
        """A client of its never paused way to the target, warm: it has been there. Raises CanaryFailed."""
        to_source = await route_to(db, self.sides.parts, self.sides.of_source)
        await self.console.lead_to(to_source, canary=self.to_target)
        async with connect_as_app(
            address=self.pooler.address, port=self.pooler.port, database=canary_name(self.sides.database),
            user=self.sides.role.user, password=self.sides.role.password, where=f"the pooler {self.pooler.name}",
        ) as connection:  # fmt: skip
            await connection.execute("SELECT 1")
            await self.console.lay_ready(self.to_target, canary=self.to_target)
            yield connection

    async def lead_to_target(self) -> None:
        await self.console.lead_to(self.to_target, canary=self.to_target)


async def settle_target(db: Db, parts: Parts, row: ChangeoverRow) -> None:
    """Put back what an attempt of any worker changed on the target. A target that is gone or down is left as it is."""
    target = await query.one(db, Database, "databases.find", addon_id=row.target_id)
    if target is not None and row.attempts:
        with contextlib.suppress(ServerUnreachable):
            await parts.engine.settle(await server_of(db, target.server_name))


async def both_databases(db: Db, row: ChangeoverRow) -> tuple[Database, Database]:
    """Source and target. Raises NotAvailable when one of them has been destroyed."""
    found = [
        await query.one(db, Database, "databases.find", addon_id=one) for one in (row.our_source_id, row.target_id)
    ]
    source, target = found
    if source is None or target is None:
        gone = row.source_name if source is None else row.target_name
        raise NotAvailable(f"{gone} is gone.", why="It was destroyed while it was being moved.")
    return source, target
