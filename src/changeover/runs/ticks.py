"""Brings the ticks: a procrastinate job says "advance run N", and nothing else.

A lost tick is late (the sweep finds the run), a doubled one makes a run look once more. Jobs carry `queueing_lock`
only, never `lock`: a job of a killed worker would keep that for ever.
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
"""A new job is told of (NOTIFY). This is for one that was not heard, and the sweep finds its run as soon."""


class _Connector(procrastinate.PsycopgConnector):
    """Hears of new jobs without waking ten times a second."""

    async def _loop_notify(self, on_notification: Any, connection: Db, *_timeout: float, **_more: float) -> None:
        """Until the connection is lost; then procrastinate makes another."""
        with suppress(psycopg.OperationalError):
            async for told in notifications(connection):
                await on_notification(channel=told.channel, payload=told.payload)


class Ticks:
    """Gives ticks, and (in the worker) obeys them."""

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
        """Have the run driven soon. Nothing to do when a tick waits already."""
        task = self.app.configure_task(TASK, queue=f"host:{host}", queueing_lock=f"run:{run_id}", allow_unknown=True)
        try:
            await task.defer_async(run_id=run_id)
        except AlreadyEnqueued:
            log.debug("run %s has a tick already", run_id)

    async def end_stalled_jobs(self) -> None:
        """Those of dead workers. The dispatcher's sweep finds their runs."""
        for job in await self.app.job_manager.get_stalled_jobs(queue=f"host:{self._host}"):
            await self.app.job_manager.finish_job(job, status=procrastinate.jobs.Status.FAILED, delete_job=True)

    async def obey(self, tick: Callable[[int], Awaitable[None]], *, concurrency: int = 4) -> None:
        """Hand each tick on, until cancelled. A job is done at once: slots are shared by the dispatcher, not by the queue."""

        @self.app.task(name=TASK)
        async def advance(run_id: int) -> None:
            await tick(run_id)

        options: dict[str, Any] = {
            "queues": [f"host:{self._host}"], "concurrency": concurrency, "delete_jobs": "always",
            "install_signal_handlers": False, "shutdown_graceful_timeout": SHUTDOWN_S,
            "fetch_job_polling_interval": POLL_S, "abort_job_polling_interval": POLL_S,
        }  # fmt: skip
        await self.app.run_worker_async(**options)
