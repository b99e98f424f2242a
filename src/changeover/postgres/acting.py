"""Who may act on a server: only the driver of a run with the highest epoch. The lock works on a standby, too.

The driver's backend is named `changeover:RUN:EPOCH` and holds a session advisory lock. A successor first ends its
predecessor's backend. A driver that was suspended can therefore change nothing when it wakes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from changeover.errors import RunConflict
from changeover.postgres import ending
from changeover.postgres.connect import Address, Connection, connect, fetch_row


@dataclass(frozen=True)
class Actor:
    """The driver of one run, at one epoch."""

    run: str
    epoch: int

    @classmethod
    def named(cls, text: str) -> Actor:
        """From `RUN:EPOCH`."""
        found = re.fullmatch(r"([\w-]{1,40}):(\d{1,9})", text)
        if not found:
            raise ValueError(f"{text!r} is not RUN:EPOCH")
        return cls(found[1], int(found[2]))

    @property
    def application_name(self) -> str:
        return f"changeover:{self.run}:{self.epoch}"


@asynccontextmanager
async def acting(address: Address, actor: Actor, *, timeout_s: float = 30) -> AsyncIterator[Connection]:
    """A connection that only one driver of the run can hold on this server.

    Raises RunConflict when a higher epoch is already here or the lock stays taken, and ServerUnreachable.
    """
    deadline = time.monotonic() + timeout_s
    async with connect(address, application_name=actor.application_name, timeout_s=timeout_s) as connection:
        while not await _take_lock(connection, actor):
            await _end_predecessors(connection, actor)
            if time.monotonic() > deadline:
                raise _conflict(address, actor, "another session of the same run and epoch holds its lock")
            await asyncio.sleep(0.01)
        await _end_predecessors(connection, actor)
        yield connection


async def _take_lock(connection: Connection, actor: Actor) -> bool:
    query = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
    return await fetch_row(connection, query, [f"changeover run {actor.run}"]) == (True,)


async def _end_predecessors(connection: Connection, actor: Actor) -> None:
    others = await connection.execute(
        "SELECT pid, backend_start::text, datname, split_part(application_name, ':', 3)::int FROM pg_stat_activity"
        " WHERE usesysid = (SELECT oid FROM pg_roles WHERE rolname = session_user) AND pid <> pg_backend_pid()"
        " AND application_name ~ '^changeover:[^:]+:[0-9]{1,9}$' AND split_part(application_name, ':', 2) = %s",
        [actor.run],
    )
    for *named, epoch in await others.fetchall():
        if epoch > actor.epoch:
            raise RunConflict(
                f"Run {actor.run} is now driven by another process.",
                why=f"A driver with epoch {epoch} acts on this server. This one has epoch {actor.epoch}.",
                fix="No action is needed: the other process finishes the run. See `changeover runs`.",
            )
        if epoch < actor.epoch:
            await ending.end(connection, [ending.Backend(*named)])


def _conflict(address: Address, actor: Actor, why: str) -> RunConflict:
    return RunConflict(
        f"Run {actor.run} cannot act on the server at {address}.",
        why=f"It waited, but {why} (epoch {actor.epoch}).",
        fix="Try again. If the error persists, see `changeover runs` for the process that drives it.",
    )
