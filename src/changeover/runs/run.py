"""A run as its steps see it, and their outcomes. No I/O except the fenced transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from changeover.errors import RunCancelled
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import RunRow


class TakenOver(Exception):
    """Another worker drives this run now. Stop acting, and write nothing."""


@dataclass(frozen=True)
class Advance:
    """The step is done. `note` goes to the journal."""

    note: str = ""


@dataclass(frozen=True)
class Wait:
    """Not done yet. Check again in `seconds`. `because` is shown to the user."""

    seconds: float
    because: str
    percent: int | None = None
    is_urgent: bool = False
    """Apps are stopped or held in the meantime, so a short wait keeps its slot even if other runs are queued."""


Outcome = Advance | Wait


@dataclass
class Run:
    """One execution, for its driver. `db` is the state connection with the lock that makes this driver the only one."""

    row: RunRow
    db: Db
    step_began: float
    """When its current step began, in seconds of the monotonic clock, which is never set."""

    @property
    def id(self) -> int:
        return self.row.id

    @property
    def input(self) -> dict[str, Any]:
        return self.row.input

    @property
    def account_id(self) -> UUID:
        """The account that started it."""
        return UUID(self.row.input["account_id"])

    @property
    def acting_as(self) -> str:
        """Identifies its connections to source and target: RUN:EPOCH."""
        return f"{self.row.id}:{self.row.epoch}"

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Db]:
        """A transaction on the state that only the run's current driver can commit. Raises TakenOver."""
        async with self.db.transaction():
            if await query.one(self.db, RunRow, "runs.hold", id=self.row.id, epoch=self.row.epoch) is None:
                raise TakenOver(f"run {self.row.id}, epoch {self.row.epoch}")
            yield self.db

    async def pass_point_of_no_return(self) -> None:
        """In the caller's `transaction`. After its commit, this run will be finished and never undone.

        Raises RunCancelled if it was asked to stop before.
        """
        passed = await query.one(self.db, RunRow, "runs.pass_point_of_no_return", id=self.row.id, epoch=self.row.epoch)
        if passed is None:
            raise RunCancelled(self.row.subject)
        self.row = passed

    async def note(self, event: str, detail: str = "") -> None:
        """Add a line to the journal, under the current step."""
        async with self.transaction() as db:
            await add_note(db, self.row, event, detail)


async def add_note(db: Db, row: RunRow, event: str, detail: str = "") -> None:
    """Add an entry in the caller's transaction."""
    await query.execute(db, "runs.note", id=row.id, epoch=row.epoch, step=row.step, event=event, detail=detail or None)


Act = Callable[[Run], Awaitable[Outcome]]
Undo = Callable[[Run], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """A short, named, repeatable part of a run. It checks the current situation first, then acts.

    `undo` is None if there is nothing to undo. `deadline_s` counts from the first time that the step began.
    `most_retries` counts the interruptions by retryable failures.
    """

    name: str
    act: Act
    says: str
    undo: Undo | None = None
    deadline_s: float = 600
    most_retries: int = 10


@dataclass(frozen=True)
class Workflow:
    """A kind of run: its steps in order. Steps are stored by name, so an upgrade during a run does no harm."""

    kind: str
    steps: tuple[Step, ...]
    comes_last: bool = False
    """Long work that no app waits for. It gets a slot after the account's other runs."""
    by_name: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {step.name: number for number, step in enumerate(self.steps)})

    def position(self, name: str) -> int:
        """Raises KeyError for an unknown step."""
        return self.by_name[name]
