"""What an engine can do in the pause of a changeover: source and target side by side, every connection open beforehand.

The order in which these verbs are called is the business of changeovers/. Each raises ServerUnreachable for a server that
went away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Visitor(Protocol):
    """A session of somebody else's; its text says who it is."""

    @property
    def user(self) -> str: ...

    @property
    def application(self) -> str:
        """What it calls itself; empty when it says nothing."""

    @property
    def transaction_s(self) -> float:
        """How long its transaction is open; 0 when it has none."""

    @property
    def address(self) -> str | None:
        """Where it comes from; None: through a pooler."""


@dataclass(frozen=True)
class Traffic:
    """Who is on a server."""

    direct: tuple[Visitor, ...]
    """Came past every pooler."""
    in_transaction: tuple[Visitor, ...]
    """With a transaction open, the oldest first."""
    prepared: tuple[str, ...]
    """Transactions that wait for their second phase."""
    workers: tuple[Visitor, ...]
    """Background workers that may write."""


@dataclass(frozen=True)
class Readiness:
    """One look before the pause. Nobody in the way and little behind: a quiet instant."""

    behind_bytes: int
    is_streaming: bool
    in_the_way: tuple[str, ...]
    """Sessions on the source with a transaction open for longer than asked, in words."""


@dataclass(frozen=True)
class Fenced:
    """What shows that nobody can write to the source any more."""

    refusal: str
    """What a login was told."""
    ended: tuple[Visitor, ...]
    """Whose sessions were ended."""
    prepared: tuple[str, ...]
    """Transactions that wait for their second phase; they go along."""


@dataclass(frozen=True)
class EndOfSource:
    """The last thing that the source ever wrote: a marker, flushed to its disk."""

    system_identifier: int
    timeline: int
    position: str
    token: str


class Passage(Protocol):
    """From one source to its follower."""

    async def readiness(self, *, quiet_s: float) -> Readiness:
        """Who has a transaction open for longer than `quiet_s`, and how far the target is behind."""

    async def prepare(self, mark: str) -> None:
        """What makes the pause short: both checkpointed, readers on the target give way to replay, a place for the canary.

        And the fence of that mark is laid ready.
        """

    async def fence(self, mark: str, *, timeout_s: float) -> Fenced:
        """Nobody but we and followers can enter or write; `mark` names whose fence it is. Raises FenceFailed,
        ServerUnreachable."""

    async def end_of_source(self, token: str) -> EndOfSource:
        """Write a marker, durably, and say where it ends."""

    async def arrived(self, end: EndOfSource, *, timeout_s: float) -> bool:
        """Whether the target has replayed all of it, in time. Raises WrongTarget for another history."""

    async def promote(self) -> int:
        """Make the target writable; its new timeline. Nothing to do when it is."""

    async def canary(self, token: str) -> None:
        """The first write and read on the new leader, as the app's own role. Raises CanaryFailed."""

    async def settle(self) -> None:
        """Undo what `prepare` changed on the target."""
