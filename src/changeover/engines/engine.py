"""The interface of engines, which run servers, in plain values. Platform code uses this, never an engine's internals.

An engine never reads our tables: callers pass the `Server` and store the result. Every verb is safe to repeat: it first
observes the actual state, then acts. So a run's step may simply run again after a crash.
reading.py has the queries that work for every database, including those on servers of others.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from changeover.engines.passage import EndOfSource, Fenced, Passage, Traffic
from changeover.postgres.refusals import Refusals


@dataclass(frozen=True)
class Server:
    """One PostgreSQL instance: its files and its address. A plain value that our state stores."""

    name: str
    """Short, unique, safe in paths: `s` and eight hex digits."""
    engine: str
    address: str
    """The address for clients. With the local engine, a loopback address, never the word localhost."""
    port: int
    bin_directory: Path
    """The PostgreSQL installation's bin folder. A follower uses its leader's own installation."""
    data_directory: Path
    socket_directory: Path
    """For our own access, as superuser with peer authentication. Works while pg_hba.conf rejects everybody else."""


@dataclass(frozen=True)
class Size:
    """The resources that a plan grants a server. None uses the engine's default."""

    max_connections: int = 100
    memory_mb: int | None = None


@dataclass(frozen=True)
class Credential:
    """A role that the user logs in with."""

    user: str
    password: str


@dataclass(frozen=True)
class Health:
    """`state` is `available`, `starting`, `stopped` or `failed`; `because` says why it is not available."""

    state: str
    because: str = ""
    is_in_recovery: bool | None = None


@dataclass(frozen=True)
class CopyProgress:
    """The progress of a follower's initial copy. `is_done` only when everything has arrived and was synced."""

    percent: int
    is_done: bool = False


@dataclass(frozen=True)
class Behind:
    """How far a follower's replay is behind its leader. `commits` is None if unknown."""

    commits: int | None
    is_exact: bool
    bytes: int
    seconds: float
    is_streaming: bool
    """False if the follower currently receives nothing: it is stopped, or the connection is down."""
    is_lost: bool = False
    """True if the leader has removed WAL that the follower needs. It can never catch up."""
    replayed_bytes: int = 0
    """Its replay position, in bytes since the beginning of all WAL. Two readings give its speed."""


@dataclass(frozen=True)
class DatabaseFacts:
    """Facts about a running database, for `pg:info`."""

    version: str
    data_bytes: int
    tables: int
    connections: int
    max_connections: int
    writing_backends: int
    """Client backends that currently have a transaction id."""


class Engine(Protocol):
    """Creates, follows, promotes and destroys servers. See each verb for what it raises."""

    def plan_server(self, name: str, *, address: str, taken_ports: frozenset[int], leader: Server | None) -> Server:
        """Choose the location and a free port, not in `taken_ports`, for a new server. Changes nothing."""

    async def create(self, server: Server, size: Size) -> None:
        """Create the instance and start it. Returns when it accepts connections."""

    def has_spare(self) -> bool:
        """Whether a data directory for the next server is ready."""

    async def make_spare(self) -> None:
        """Create it with low priority. Raises ServerFailed, DiskFull, InstallationGone."""

    async def create_database(
        self, server: Server, database: str, owner: Credential, *, connection_limit: int | None = None
    ) -> None:
        """A database with its owner role, the reserved schema `_heroku` and pg_stat_statements. No other role may connect.

        A `connection_limit` means that the server is shared. Then the owner may not see or end other sessions.
        """

    async def make_extensions(self, server: Server, database: str, owner: str, wanted: Mapping[str, str]) -> list[str]:
        """Create those of `wanted` (name to schema) that need a superuser, are safe for an owner, and are missing.

        If it creates any, it ends all sessions of the database. Returns the ones created. For a database that was just
        emptied. Raises ServerBusy, ServerUnreachable.
        """

    async def drop_database(self, server: Server, database: str, owner: str) -> None:
        """End its sessions, then drop the database and its role. Does nothing if they are gone."""

    async def begin_copy(self, server: Server, leader: Server, size: Size) -> None:
        """Reserve a slot on the leader and start the base backup in the background. Keeps a backup that is already running.

        Raises LeaderGone, and DiskFull if the copy would not fit on the disk.
        """

    async def copy_progress(self, server: Server, leader: Server) -> CopyProgress:
        """Raises CopyFailed, DiskFull or LeaderGone if the copy failed."""

    async def start(self, server: Server) -> None:
        """Start it, or adopt a running one. Raises PortTaken, ServerFailed, InstallationGone."""

    def has_current_access(self, server: Server) -> bool:
        """Whether `renew_access` would do nothing, as far as this process knows."""

    async def renew_access(self, server: Server) -> None:
        """Update the access rules of a running server that an older version created. Raises ServerUnreachable."""

    async def stop(self, server: Server) -> None:
        """Shut down in fast mode. Does nothing if not running."""

    async def health(self, server: Server) -> Health:
        """The current state. Never raises for a server that is down."""

    async def until_down(self, server: Server) -> None:
        """Returns when its process has ended, or at once if none runs."""

    async def facts(self, server: Server, database: str) -> DatabaseFacts:
        """Raises ServerUnreachable."""

    async def traffic(self, server: Server, database: str) -> Traffic:
        """Sessions that are connected directly or that could block. Raises ServerUnreachable."""

    async def end_sessions(self, server: Server, database: str) -> int:
        """End all client sessions in the database and return their number. Raises ServerUnreachable."""

    async def behind(self, server: Server, leader: Server) -> Behind:
        """Reads both sides once. Raises ServerUnreachable."""

    async def promote(self, server: Server, *, acting_as: str) -> None:
        """Make a follower writable permanently. Returns once it accepts writes."""

    def passage(
        self, source: Server, target: Server, *, database: str, role: Credential, acting_as: str
    ) -> AbstractAsyncContextManager[Passage]:
        """Open all connections that the pause of a changeover to a follower needs.

        Raises ServerUnreachable, RunConflict, CanaryFailed.
        """

    async def settle(self, server: Server) -> None:
        """Undo what a passage prepared on it, if its driver did not get to that. Raises ServerUnreachable."""

    async def has_arrived(self, server: Server, end: EndOfSource) -> bool:
        """Whether the follower has replayed everything. Works without the source. Raises ServerUnreachable."""

    def fenced_by(self, server: Server) -> str | None:
        """The mark of its fence, whether it is running or not. None without a fence."""

    async def fence_stands(self, server: Server) -> bool:
        """Whether a login is refused right now."""

    def refused_at_fence(self, server: Server, read_until: str) -> Refusals:
        """Clients that tried to log in since `read_until` (empty on the first call), the most frequent first."""

    async def fence_again(self, server: Server, mark: str) -> Fenced:
        """Fence a running server again and return the sessions it had. Raises FenceFailed, ServerUnreachable."""

    async def lift_fence(self, server: Server) -> None:
        """Returns once logins succeed again. Does nothing if not fenced. Raises FenceFailed."""

    def tidy(self, server: Server) -> None:
        """Periodic maintenance: replace a certificate after two thirds of its lifetime, and remove old logs."""

    async def forget_follower(self, leader: Server, follower: Server) -> None:
        """Drop the follower's slot on its leader. Does nothing if either is gone."""

    async def destroy(self, server: Server) -> None:
        """Stop it immediately and remove all of it: process, data, sockets, logs. Repeatable."""
