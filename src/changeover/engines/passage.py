"""What an engine can do during the pause of a changeover, with all connections to source and target open beforehand.

changeovers/ decides the order of these verbs. Each raises ServerUnreachable when a server goes away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class ClientSession(Protocol):
    """A client's session. Its text describes it."""

    @property
    def user(self) -> str: ...

    @property
    def application(self) -> str:
        """Its application name, or empty."""

    @property
    def transaction_s(self) -> float:
        """How long its transaction has been open; 0 without one."""

    @property
    def address(self) -> str | None:
        """The client's address. None through a pooler."""


@dataclass(frozen=True)
class Traffic:
    """The sessions of a server."""

    direct: tuple[ClientSession, ...]
    """Connected without a pooler."""
    in_transaction: tuple[ClientSession, ...]
    """With an open transaction, the oldest first."""
    prepared: tuple[str, ...]
    """Prepared transactions."""
    workers: tuple[ClientSession, ...]
    """Background workers that may write."""


@dataclass(frozen=True)
class Readiness:
    """The state before the pause. Nothing in the way and little lag: a good moment to begin."""

    behind_bytes: int
    is_streaming: bool
    in_the_way: tuple[str, ...]
    """Sessions on the source whose transaction has been open for too long, described in words."""


@dataclass(frozen=True)
class Fenced:
    """Proof that no client can write to the source any more."""

    refusal: str
    """The server's answer to a login attempt."""
    ended: tuple[ClientSession, ...]
    """The sessions that were ended."""
    prepared: tuple[str, ...]
    """Prepared transactions. The target has them too."""


@dataclass(frozen=True)
class EndOfSource:
    """The last record that the source wrote: a marker, flushed to disk."""

    system_identifier: int
    timeline: int
    position: str
    token: str


class Passage(Protocol):
    """The pause from one source to its follower."""

    async def readiness(self, *, quiet_s: float) -> Readiness:
        """Sessions with a transaction open for longer than `quiet_s`, and how far the target is behind."""

    async def prepare(self, mark: str) -> None:
        """Shortens the pause: checkpoints both servers, lets replay cancel readers on the target, and creates the canary's
        table. Also writes the fence with that mark beside the access file.
        """

    async def fence(self, mark: str, *, timeout_s: float) -> Fenced:
        """Only we and followers can log in or write afterwards. `mark` identifies the fence. Raises FenceFailed,
        ServerUnreachable."""

    async def end_of_source(self, token: str) -> EndOfSource:
        """Write a marker durably and return its position."""

    async def arrived(self, end: EndOfSource, *, timeout_s: float) -> bool:
        """Whether the target replays everything in time. Raises WrongTarget if its history differs."""

    async def promote(self) -> int:
        """Make the target writable and return its new timeline. Does nothing if it already is."""

    async def canary(self, token: str) -> None:
        """The first write and read on the new leader, as the app's own role. Raises CanaryFailed."""

    async def settle(self) -> None:
        """Undo what `prepare` changed on the target."""
