"""What an engine that runs servers can do, in plain values. Platform code speaks to this, never to one engine's insides.

An engine never reads our tables: who calls it hands over the `Server` and stores what comes back. Every verb is safe to
repeat: it observes the world first, then acts, so that a run's step may simply run again after a crash.
What may be asked of every database, also of somebody else's, is in reading.py.
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
    """One PostgreSQL instance: where it lives and how it is reached. A plain value that our state keeps."""

    name: str
    """Short, unique, safe in paths: `s` and eight hex digits."""
    engine: str
    address: str
    """Where clients reach it: an address of loopback on the local engine, never the word localhost."""
    port: int
    bin_directory: Path
    """The PostgreSQL installation's bin folder. A follower uses its leader's own installation."""
    data_directory: Path
    socket_directory: Path
    """Our own way in: peer-authenticated, superuser, works while pg_hba.conf rejects everybody else."""


@dataclass(frozen=True)
class Size:
    """What a plan grants a server; unknown limits are None and get the engine's default."""

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
    """How far the first copy of a follower is. `is_done` only when every byte arrived and was synced."""

    percent: int
    is_done: bool = False


@dataclass(frozen=True)
class Behind:
    """How far a follower's replay is behind its leader. `commits` is None when nobody can tell."""

    commits: int | None
    is_exact: bool
    bytes: int
    seconds: float
    is_streaming: bool
    """False: the follower receives nothing now (stopped, or the connection is down)."""
    is_lost: bool = False
    """True: the leader has dropped WAL that the follower needs; it can never catch up."""
    replayed_bytes: int = 0
    """Where its replay is, counted from the beginning of all WAL: two looks tell how fast it is."""


@dataclass(frozen=True)
class DatabaseFacts:
    """What a running database says of itself, for `pg:info`."""

    version: str
    data_bytes: int
    tables: int
    connections: int
    max_connections: int
    writing_backends: int
    """Client backends that hold a transaction id just now."""


class Engine(Protocol):
    """Creates, follows, promotes and destroys servers. See each verb for what it raises."""

    def plan_server(self, name: str, *, address: str, taken_ports: frozenset[int], leader: Server | None) -> Server:
        """Decide where a new server will live; a free port that is not in `taken_ports`. Touches nothing."""

    async def create(self, server: Server, size: Size) -> None:
        """Make the instance and start it; done when it accepts connections."""

    async def create_database(
        self, server: Server, database: str, owner: Credential, *, connection_limit: int | None = None
    ) -> None:
        """A database with its owner role, the reserved schema `_heroku` and pg_stat_statements; nobody else may connect.

        A `connection_limit` says that the server is shared: then its owner may not look at or end others' sessions.
        """

    async def make_extensions(self, server: Server, database: str, owner: str, wanted: Mapping[str, str]) -> list[str]:
        """Those of `wanted` (with their schemas) that need a superuser, are safe for an owner, and are missing.

        Ends all sessions of the database where it makes any; returns what it made. For a database that was just emptied.
        Raises ServerBusy, ServerUnreachable.
        """

    async def drop_database(self, server: Server, database: str, owner: str) -> None:
        """Ends its sessions and removes database and role; nothing to do when they are gone."""

    async def begin_copy(self, server: Server, leader: Server, size: Size) -> None:
        """Reserve a slot on the leader and start the base backup in the background; a running one is left alone.

        Raises DiskFull where the copy would not fit beside what lives there already, LeaderGone.
        """

    async def copy_progress(self, server: Server, leader: Server) -> CopyProgress:
        """Raises CopyFailed, DiskFull or LeaderGone when the copy died."""

    async def start(self, server: Server) -> None:
        """Start it, or adopt it when it runs already. Raises PortTaken, ServerFailed, InstallationGone."""

    def has_current_access(self, server: Server) -> bool:
        """Whether `renew_access` has nothing to do, as far as this process knows."""

    async def renew_access(self, server: Server) -> None:
        """Give a running server that an older version made the access rules of this version. Raises ServerUnreachable."""

    async def stop(self, server: Server) -> None:
        """A clean (fast) shutdown; nothing to do when it does not run."""

    async def health(self, server: Server) -> Health:
        """One look; never raises for a server that is down."""

    async def until_down(self, server: Server) -> None:
        """Returns when its process has ended, or at once where none runs."""

    async def facts(self, server: Server, database: str) -> DatabaseFacts:
        """Raises ServerUnreachable."""

    async def traffic(self, server: Server, database: str) -> Traffic:
        """Who is connected, past the poolers or in the way. Raises ServerUnreachable."""

    async def end_sessions(self, server: Server, database: str) -> int:
        """End every client's session in that database; how many there were. Raises ServerUnreachable."""

    async def behind(self, server: Server, leader: Server) -> Behind:
        """Reads both sides once. Raises ServerUnreachable."""

    async def promote(self, server: Server, *, acting_as: str) -> None:
        """Make a follower writable for ever, by polling; returns once it accepts writes."""

    def passage(
        self, source: Server, target: Server, *, database: str, role: Credential, acting_as: str
    ) -> AbstractAsyncContextManager[Passage]:
        """Everything that the pause of a changeover to a follower needs, open and warm.

        Raises ServerUnreachable, RunConflict, CanaryFailed.
        """

    async def settle(self, server: Server) -> None:
        """Undo what a passage to it has prepared there, where its driver did not come to that. Raises ServerUnreachable."""

    async def has_arrived(self, server: Server, end: EndOfSource) -> bool:
        """Whether the follower has replayed all of it, now; the source need not be there. Raises ServerUnreachable."""

    def fenced_by(self, server: Server) -> str | None:
        """Whose fence stands around it, running or not; None where there is none."""

    async def fence_stands(self, server: Server) -> bool:
        """Shown by a login that is refused just now."""

    def refused_at_fence(self, server: Server, read_until: str) -> Refusals:
        """Who tried to enter since the last look (empty: the first one), the most frequent first."""

    async def fence_again(self, server: Server, mark: str) -> Fenced:
        """Put it back around a running server, and say who was inside. Raises FenceFailed, ServerUnreachable."""

    async def lift_fence(self, server: Server) -> None:
        """Returns once everybody is let in again; nothing to do where no fence stands. Raises FenceFailed."""

    def tidy(self, server: Server) -> None:
        """Now and then: replace a certificate that has passed two thirds of its life, remove old logs."""

    async def forget_follower(self, leader: Server, follower: Server) -> None:
        """Drop the follower's slot on its leader; nothing to do when slot or leader are gone."""

    async def destroy(self, server: Server) -> None:
        """Stop it at once and remove everything of it: process, data, sockets, logs. Repeatable."""
