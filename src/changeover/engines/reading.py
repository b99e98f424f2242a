"""Queries that work for every database, on our own and on external servers, and their implementation with an engine.

Everything that changes a server (follow, promote, fence, stop, destroy) is in engine.py and needs a `Server`, which only our
own servers have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from changeover.engines.engine import DatabaseFacts, Engine, Health, Server


class Reading(Protocol):
    """One database."""

    async def health(self) -> Health:
        """The current state. Never raises for a server that is down."""

    async def facts(self) -> DatabaseFacts:
        """Raises ServerUnreachable."""

    async def end_sessions(self) -> int:
        """End those client sessions that we may end, and return their number. Raises ServerUnreachable."""


@dataclass(frozen=True)
class OnOurServer:
    """A database on a server that one of our engines runs."""

    engine: Engine
    server: Server
    database: str

    async def health(self) -> Health:
        return await self.engine.health(self.server)

    async def facts(self) -> DatabaseFacts:
        return await self.engine.facts(self.server, self.database)

    async def end_sessions(self) -> int:
        return await self.engine.end_sessions(self.server, self.database)
