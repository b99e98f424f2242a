"""The worker's side of ticks: which runs are driven, and when. The slots decide the order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

from changeover.runs.driver import Driver
from changeover.runs.run import Workflow
from changeover.runs.slots import Slots
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import RunRow

LONGEST_TRUSTED_S = 60.0
"""A worker that finds a waiting run checks it again within this time, because the clock may have been set back since."""

Connection = Callable[[], AbstractAsyncContextManager[Db]]


class Dispatcher:
    """One for each worker."""

    def __init__(self, driver: Driver, workflows: Mapping[str, Workflow], connection: Connection, *, host: str) -> None:
        self._workflows = workflows
        self._connection = connection
        self._host = host
        self._slots = Slots(lambda run_id, slot: driver.drive(run_id, slot.stay))

    async def tick(self, run_id: int) -> None:
        """An event: a run was started, cancelled, or told to continue."""
        rows = [] if self._slots.knows(run_id) else await self._unfinished(run_id)
        if self._slots.knows(run_id):  # a sweep may have found it in the meantime
            self._slots.wake(run_id)
            return
        for row in rows:
            self._add(row, after_s=0.0)

    async def sweep(self) -> None:
        """Find forgotten runs: those of a dead worker, lost ticks, waits that ended while the clock jumped."""
        for row in await self._unfinished(None):
            after_s = (row.wakes_at - datetime.now(UTC)).total_seconds() if row.wakes_at is not None else 0.0
            if not self._slots.knows(row.id):
                self._add(row, after_s=min(max(after_s, 0.0), LONGEST_TRUSTED_S))
            elif row.wakes_at is not None and after_s <= 0:
                self._slots.wake(row.id)

    async def run(self) -> None:
        """Run until cancelled."""
        await self._slots.run()

    def _add(self, row: RunRow, *, after_s: float) -> None:
        workflow = self._workflows.get(row.kind)
        comes_last = workflow is not None and workflow.comes_last
        self._slots.add(row.id, row.account_id, comes_last=comes_last, after_s=after_s)

    async def _unfinished(self, run_id: int | None) -> list[RunRow]:
        async with self._connection() as db:
            return list(await query.rows(db, RunRow, "runs.unfinished_on_host", host=self._host, id=run_id))
