"""The interface of poolers, in plain values: clients connect to a pooler, and it routes them to one database.

Its address never changes, whatever its route, so clients don't notice a pause. Platform code uses this and never PgBouncer
itself. Every verb is safe to repeat.
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
    """One pooler: its files and its address. A plain value that our state stores."""

    name: str
    """Short, unique, safe in paths: `p` and eight hex digits."""
    address: str
    port: int
    folder: Path
    """Its configuration and log."""
    socket_directory: Path
    """For our own access to its console."""


@dataclass(frozen=True)
class Route:
    """A pooler's destination. `users` are the roles that may connect, with their SCRAM verifiers."""

    server: Server
    database: str
    users: tuple[tuple[str, str], ...]
    most_connections: int
    """The maximum to the server, for all clients together."""


@dataclass(frozen=True)
class PoolerFacts:
    """The features of the program."""

    version: tuple[int, int]
    has_prepared_statements: bool
    """In transaction mode. Without it, clients must not use prepared statements."""


@dataclass(frozen=True)
class PoolLoad:
    """The current load of the database's pool. `logging_in` counts connections to the server that are not ready yet.

    `is_paused`: clients are held, even while the pause still waits for transactions to end.
    """

    clients: int
    waiting: int
    logging_in: int
    is_paused: bool


class Console(Protocol):
    """Open connections to one pooler's console. Raises ServerUnreachable when the pooler is gone."""

    @property
    def facts(self) -> PoolerFacts:
        """The features of the running program, which may have been replaced on disk since."""

    async def pause(self, *, timeout_s: float) -> bool:
        """Wait for transactions to end and hold new ones. False if not all ended in time: then clients continue."""

    async def resume(self) -> None:
        """Let clients continue. Does nothing if not paused."""

    async def lead_to(self, route: Route, *, canary: Route | None = None) -> None:
        """Clients get there from the next transaction, or from `resume`.

        `canary`: a second route through the same pooler that is never paused, as database `NAME__canary`.
        """

    async def lay_ready(self, route: Route, *, canary: Route | None = None) -> None:
        """Prepare the files for `lead_to`. Changes nothing yet."""

    async def load(self) -> PoolLoad:
        """The current load."""


class Poolers(Protocol):
    """Creates, runs and removes poolers. See each verb for what it raises."""

    def facts(self) -> PoolerFacts:
        """Raises ToolMissing, with how to install it, if this host has no pooler program."""

    def plan_pooler(self, name: str, *, address: str, taken_ports: frozenset[int]) -> Pooler:
        """Choose its location. Changes nothing. Raises ToolMissing, HostFull."""

    async def route_to(self, server: Server, database: str, *, roles: Sequence[str], most_connections: int) -> Route:
        """The route to a database, with the server's verifiers of these roles. Lets poolers in on the server.

        Raises ServerUnreachable, and ServerFailed if a role or its SCRAM password is missing.
        """

    async def start(self, pooler: Pooler, route: Route | None = None) -> None:
        """Start it, or adopt the running one, which keeps its route. Never paused.

        Without `route`, it uses its previous one. Raises ServerFailed, PortTaken, ToolMissing.
        """

    async def health(self, pooler: Pooler) -> Health:
        """The current state. Never raises for a pooler that is down."""

    async def until_down(self, pooler: Pooler) -> None:
        """Returns when its process has ended, or at once if none runs."""

    def console(self, pooler: Pooler) -> AbstractAsyncContextManager[Console]:
        """Raises ServerUnreachable."""

    async def stop(self, pooler: Pooler) -> None:
        """End it. Its clients are disconnected."""

    async def destroy(self, pooler: Pooler) -> None:
        """Stop it and remove all of it."""

    async def destroy_all_but(self, names: Container[str]) -> list[str]:
        """Remove every unknown pooler of this host, whose name isn't among these. Returns the names of those removed."""

    def tidy(self, pooler: Pooler) -> None:
        """Periodic maintenance: replace a certificate after two thirds of its lifetime, and remove old logs."""


def canary_name(database: str) -> str:
    """The database name that the canary connects to through a pooler."""
    return f"{database}__canary"
