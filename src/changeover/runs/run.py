"""What a step sees of its run, and what it answers. No I/O but the fenced transaction."""

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
    """Another worker drives this run now: stop acting, write nothing."""


@dataclass(frozen=True)
class Advance:
    """The step is done; `note` goes to the journal."""

    note: str = ""


@dataclass(frozen=True)
class Wait:
    """Not yet: look again in `seconds`. `because` is what the user reads."""

    seconds: float
    because: str
    percent: int | None = None
    is_urgent: bool = False
    """Apps are stopped or held meanwhile: a short wait keeps its slot whatever else is queued."""


Outcome = Advance | Wait


@dataclass
class Run:
    """One execution, as its driver holds it. `db` is the state connection whose lock makes this driver the only one."""

    row: RunRow
    db: Db
    step_began: float
    """When its present step began, in seconds of the monotonic clock: nobody sets that one."""

    @property
    def id(self) -> int:
        return self.row.id

    @property
    def input(self) -> dict[str, Any]:
        return self.row.input

    @property
    def account_id(self) -> UUID:
        """Who began it."""
        return UUID(self.row.input["account_id"])

    @property
    def acting_as(self) -> str:
        """How connections to source and target name themselves: RUN:EPOCH."""
        return f"{self.row.id}:{self.row.epoch}"

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Db]:
        """A transaction on the state that only the run's present driver can commit. Raises TakenOver."""
        async with self.db.transaction():
            if await query.one(self.db, RunRow, "runs.hold", id=self.row.id, epoch=self.row.epoch) is None:
                raise TakenOver(f"run {self.row.id}, epoch {self.row.epoch}")
            yield self.db

    async def pass_point_of_no_return(self) -> None:
        """In the caller's `transaction`: from its commit on, this run is finished and never undone.

        Raises RunCancelled when somebody asked it to stop before.
        """
        passed = await query.one(self.db, RunRow, "runs.pass_point_of_no_return", id=self.row.id, epoch=self.row.epoch)
        if passed is None:
            raise RunCancelled(self.row.subject)
        self.row = passed

    async def note(self, event: str, detail: str = "") -> None:
        """A line in the journal, under the present step."""
        async with self.transaction() as db:
            await add_note(db, self.row, event, detail)


async def add_note(db: Db, row: RunRow, event: str, detail: str = "") -> None:
    """Write the entry in the caller's transaction."""
    await query.execute(db, "runs.note", id=row.id, epoch=row.epoch, step=row.step, event=event, detail=detail or None)


Act = Callable[[Run], Awaitable[Outcome]]
Undo = Callable[[Run], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """A short, named, repeatable piece of a run: it observes the world first, then acts.

    `undo` None means that there is nothing to undo. `deadline_s` counts from the first time that the step began;
    `most_retries` counts the times that a retryable failure interrupted it.
    """

    name: str
    act: Act
    says: str
    undo: Undo | None = None
    deadline_s: float = 600
    most_retries: int = 10


@dataclass(frozen=True)
class Workflow:
    """A kind of run: its steps in order. Steps go by name, so an upgrade in the middle of a run means nothing."""

    kind: str
    steps: tuple[Step, ...]
    comes_last: bool = False
    """Long work that nobody's app waits for: among one account's runs it gets a slot after the others."""
    by_name: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {step.name: number for number, step in enumerate(self.steps)})

    def position(self, name: str) -> int:
        """Raises KeyError for a step that this version doesn't know."""
        return self.by_name[name]
