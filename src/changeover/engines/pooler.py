"""What a pooler can do, in plain values: clients connect to it, and it leads them to one database.

Its address never changes, whatever it leads to; that is what makes a pause that nobody feels. Platform code speaks to this
and never to PgBouncer itself. Every verb is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from changeover.engines.engine import Health, Server


@dataclass(frozen=True)
class Pooler:
    """One pooler: where it lives and how it is reached. A plain value that our state keeps."""

    name: str
    """Short, unique, safe in paths: `p` and eight hex digits."""
    address: str
    port: int
    folder: Path
    """Its configuration and log."""
    socket_directory: Path
    """Its console: our own way in."""


@dataclass(frozen=True)
class Route:
    """Where a pooler leads. `users` are the roles that may come through, as SCRAM verifiers."""

    server: Server
    database: str
    users: tuple[tuple[str, str], ...]
    most_connections: int
    """To the server, for all clients together."""


@dataclass(frozen=True)
class PoolerFacts:
    """What the program can do."""

    version: tuple[int, int]
    has_prepared_statements: bool
    """In transaction mode; without it clients must not prepare."""


@dataclass(frozen=True)
class PoolLoad:
    """One look at the pool of the database. `logging_in` counts connections to the server that are not ready yet.

    `is_paused`: clients are held back, also while a pause still waits for transactions to end.
    """

    clients: int
    waiting: int
    logging_in: int
    is_paused: bool


class Console(Protocol):
    """Open connections to one pooler's console. Raises ServerUnreachable when the pooler is gone."""

    @property
    def facts(self) -> PoolerFacts:
        """Of the program that runs: another one than a start would take, where that was replaced meanwhile."""

    async def pause(self, *, timeout_s: float) -> bool:
        """Let transactions end and hold back new ones. False: not all ended in time, and everything flows again."""

    async def resume(self) -> None:
        """Let clients through; nothing to do when it isn't paused."""

    async def lead_to(self, route: Route, *, canary: Route | None = None) -> None:
        """From the next transaction on (or from `resume` on), clients get there.

        `canary`: a second way through the same pooler, never paused, as database `NAME__canary`.
        """

    async def lay_ready(self, route: Route, *, canary: Route | None = None) -> None:
        """Do beforehand what `lead_to` would have to do of it; nothing changes yet."""

    async def load(self) -> PoolLoad:
        """One look."""


class Poolers(Protocol):
    """Makes, runs and removes poolers. See each verb for what it raises."""

    def facts(self) -> PoolerFacts:
        """Raises ToolMissing, with how to get it, where this host has no pooler program."""

    def plan_pooler(self, name: str, *, address: str, taken_ports: frozenset[int]) -> Pooler:
        """Decide where it will live. Touches nothing. Raises ToolMissing, HostFull."""

    async def route_to(self, server: Server, database: str, *, roles: Sequence[str], most_connections: int) -> Route:
        """The way to a database, with the verifiers that its server has of these roles; the server lets poolers in.

        Raises ServerUnreachable, ServerFailed where a role or its SCRAM password is missing.
        """

    async def start(self, pooler: Pooler, route: Route | None = None) -> None:
        """Start it, or adopt the running one (which goes on with the route that it has). Never paused.

        Without a route: one that was started before leads where it led last. Raises ServerFailed, PortTaken, ToolMissing.
        """

    async def health(self, pooler: Pooler) -> Health:
        """One look; never raises for one that is down."""

    async def until_down(self, pooler: Pooler) -> None:
        """Returns when its process has ended, or at once where none runs."""

    def console(self, pooler: Pooler) -> AbstractAsyncContextManager[Console]:
        """Raises ServerUnreachable."""

    async def stop(self, pooler: Pooler) -> None:
        """End it; its clients are cut off."""

    async def destroy(self, pooler: Pooler) -> None:
        """Stop it and remove everything of it."""

    async def destroy_all_but(self, names: Container[str]) -> list[str]:
        """Remove every pooler of this host whose name isn't among these: nobody knows it. The names of those removed."""

    def tidy(self, pooler: Pooler) -> None:
        """Now and then: replace a certificate that has passed two thirds of its life, remove old logs."""


def canary_name(database: str) -> str:
    """The database by which the canary goes through a pooler."""
    return f"{database}__canary"
