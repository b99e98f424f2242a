"""Sends ticks: a procrastinate job means "advance run N".

A lost tick is only late, because the sweep finds the run. A duplicate makes a run check once more. Jobs have only a
`queueing_lock`, never a `lock`, which the job of a killed worker would keep forever.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import procrastinate
import psycopg
from procrastinate.exceptions import AlreadyEnqueued

from changeover.runs.job_tables import JOBS_SCHEMA
from changeover.store.changes import notifications
from changeover.store.query import Db

log = logging.getLogger(__name__)

TASK = "advance"
SHUTDOWN_S = 5.0
POLL_S = 30.0
"""New jobs are notified (NOTIFY). This interval is for a lost notification; the sweep finds its run just as soon."""


class _Connector(procrastinate.PsycopgConnector):
    """Receives notifications of new jobs without waking ten times a second."""

    async def _loop_notify(self, on_notification: Any, connection: Db, *_timeout: float, **_more: float) -> None:
        """Runs until the connection is lost. procrastinate then opens another."""
        with suppress(psycopg.OperationalError):
            async for told in notifications(connection):
                await on_notification(channel=told.channel, payload=told.payload)


class Ticks:
    """Sends ticks, and receives them in the worker."""

    def __init__(self, conninfo: dict[str, str], *, host: str, most_at_once: int = 2) -> None:
        self._host = host
        options = f"-c search_path={JOBS_SCHEMA}"
        connector = _Connector(kwargs={**conninfo, "options": options}, min_size=1, max_size=most_at_once)
        self.app = procrastinate.App(connector=connector)

    async def __aenter__(self) -> Ticks:
        await self.app.open_async()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.app.close_async()

    async def give(self, run_id: int, host: str) -> None:
        """Let the run be driven soon. No effect if a tick is already waiting."""
        task = self.app.configure_task(TASK, queue=f"host:{host}", queueing_lock=f"run:{run_id}", allow_unknown=True)
        try:
            await task.defer_async(run_id=run_id)
        except AlreadyEnqueued:
            log.debug("run %s already has a tick", run_id)

    async def end_stalled_jobs(self) -> None:
        """End jobs of dead workers. The dispatcher's sweep finds their runs."""
        for job in await self.app.job_manager.get_stalled_jobs(queue=f"host:{self._host}"):
            await self.app.job_manager.finish_job(job, status=procrastinate.jobs.Status.FAILED, delete_job=True)

    async def obey(self, tick: Callable[[int], Awaitable[None]], *, concurrency: int = 4) -> None:
        """Pass each tick on, until cancelled. A job ends at once, because the dispatcher shares the slots, not the queue."""

        @self.app.task(name=TASK)
        async def advance(run_id: int) -> None:
            await tick(run_id)

        options: dict[str, Any] = {
            "queues": [f"host:{self._host}"], "concurrency": concurrency, "delete_jobs": "always",
            "install_signal_handlers": False, "shutdown_graceful_timeout": SHUTDOWN_S,
            "fetch_job_polling_interval": POLL_S, "abort_job_polling_interval": POLL_S,
        }  # fmt: skip
        await self.app.run_worker_async(**options)
