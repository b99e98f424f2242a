"""Brings the ticks: a procrastinate job says "advance run N", and nothing else.

A lost tick is late (the sweep gives it again), a doubled one does nothing (the run's lock). Jobs carry `queueing_lock`
only, never `lock`: a job of a killed worker would keep that for ever.
"""

from __future__ import annotations

import logging
from typing import Any

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued

from changeover.runs.driver import Driver
from changeover.runs.job_tables import JOBS_SCHEMA
from changeover.store import query
from changeover.store.query import Db

log = logging.getLogger(__name__)

TASK = "advance"
SHUTDOWN_S = 5.0


class Ticks:
    """Gives ticks, and (in the worker) obeys them."""

    def __init__(self, conninfo: dict[str, str], *, host: str, most_at_once: int = 2) -> None:
        self._host = host
        options = f"-c search_path={JOBS_SCHEMA}"
        connector = procrastinate.PsycopgConnector(
            kwargs={**conninfo, "options": options}, min_size=1, max_size=most_at_once
        )
        self.app = procrastinate.App(connector=connector)

    async def __aenter__(self) -> Ticks:
        await self.app.open_async()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.app.close_async()

    async def give(self, run_id: int, host: str) -> None:
        """Have the run driven soon. Nothing to do when a tick waits already."""
        task = self.app.configure_task(TASK, queue=f"host:{host}", queueing_lock=f"run:{run_id}", allow_unknown=True)
        try:
            await task.defer_async(run_id=run_id)
        except AlreadyEnqueued:
            log.debug("run %s has a tick already", run_id)

    async def sweep(self, db: Db) -> None:
        """Give every unfinished run of this host that nobody drives its tick again, and fail the jobs of dead workers."""
        for run_id in await query.values(db, "runs.unfinished_undriven", host=self._host):
            await self.give(run_id, self._host)
        for job in await self.app.job_manager.get_stalled_jobs(queue=f"host:{self._host}"):
            await self.app.job_manager.finish_job(job, status=procrastinate.jobs.Status.FAILED, delete_job=True)

    async def obey(self, driver: Driver, *, concurrency: int = 16) -> None:
        """Drive what ticks ask for, until cancelled."""

        @self.app.task(name=TASK)
        async def advance(run_id: int) -> None:
            await driver.drive(run_id)

        options: dict[str, Any] = {
            "queues": [f"host:{self._host}"], "concurrency": concurrency, "delete_jobs": "always",
            "install_signal_handlers": False, "shutdown_graceful_timeout": SHUTDOWN_S,
        }  # fmt: skip
        await self.app.run_worker_async(**options)
