"""The job worker: drives runs, keeps servers running, finds forgotten work, dumps the state once a day.

It is a separate process, so API requests never delay a pause. It dies with its state connection, and its parent starts the
next one at once.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn

from psycopg_pool import AsyncConnectionPool

from changeover.changeovers.adopting import adopt_changeovers
from changeover.changeovers.after.probing import probe_old_sides
from changeover.changeovers.after.retiring import destroy_old_sources
from changeover.changeovers.in_flight import until_none_is_under_way
from changeover.platform.auditing import forget_old_events
from changeover.platform.due_jobs import bring_jobs_forward, start_due_jobs
from changeover.platform.keeping import PoolerKeeper, ServerKeeper, SpareKeeper
from changeover.platform.liveness import hold_worker_lock
from changeover.platform.pooling import tidy_poolers
from changeover.platform.progress import has_unfinished_runs
from changeover.platform.routing import WebDynoNames
from changeover.platform.scope import Parts
from changeover.platform.servers import tidy_servers
from changeover.platform.transfers.keeping import begin_due_backups, bring_backups_forward, tidy_transfers
from changeover.runs.dispatcher import Dispatcher
from changeover.runs.driver import Driver
from changeover.runs.ticks import Ticks
from changeover.runtime.router import follow_access_log
from changeover.service.composition import connect_state, make_parts, make_pool, router_places, workflows
from changeover.service.keeping import AppKeeper, Look, every, outlasting_full_disks, whenever
from changeover.service.places import Places
from changeover.service.state import State
from changeover.settings import Settings
from changeover.store.changes import Changes

log = logging.getLogger(__name__)

SWEEP_S, PROBE_S, HOURLY_S = 30.0, 30.0, 3600.0
LOOK_S = 0.5
DUMP_AGE = timedelta(days=1)


async def work(places: Places, settings: Settings, *, router_listen: str, until_idle: bool = False) -> None:
    """Work until SIGTERM, or until the state is lost. With `until_idle`, unfinished runs keep the control plane running."""
    state = State(places, settings)
    pool = make_pool(state, most=4)
    ticks = Ticks(state.conninfo, host=settings.host_name, most_at_once=4)
    parts = make_parts(places, settings, ticks)
    async with await connect_state(state) as lock, pool, ticks:
        await _become_the_worker(lock, settings.host_name)
        await adopt_changeovers(lock)  # a worker of the previous version may have finished a step since the start
        names, changes = WebDynoNames(), Changes()
        await names.look(pool)
        kinds = workflows(parts)
        driver = Driver(lambda: connect_state(state), kinds)
        dispatcher = Dispatcher(driver, kinds, pool.connection, host=settings.host_name)
        await _until_told_to_stop(
            changes.hear(lock),
            every(SWEEP_S, lambda: _sweep(dispatcher, ticks)),
            every(PROBE_S, lambda: probe_old_sides(parts, pool)),
            *_keepers(parts, pool, changes, settings, router_listen),
            outlasting_full_disks(lambda: follow_access_log(router_places(places), parts.logs.append, names.of)),
            whenever(changes, ("dynos",), lambda _: lambda: names.look(pool)),
            every(HOURLY_S, lambda: _housekeeping(parts, pool, state)),
            every(HOURLY_S, lambda: forget_old_events(pool, settings.audit_days)),
            *([_keep_in_use(places, pool)] if until_idle else _keep_spares(parts, changes, settings)),
            dispatcher.run(),
            ticks.obey(dispatcher.tick),
        )


def _keepers(
    parts: Parts, pool: AsyncConnectionPool[Any], changes: Changes, settings: Settings, router_listen: str
) -> list[Awaitable[None]]:
    def keep_apps(bell: asyncio.Event) -> Look:
        patience_s = settings.frozen_after_s
        return AppKeeper(parts, pool, bell, router_listen=router_listen, frozen_after_s=patience_s).look

    return [
        whenever(changes, ("servers",), lambda bell: ServerKeeper(parts, pool, bell).look),
        whenever(changes, ("poolers",), lambda bell: PoolerKeeper(parts, pool, bell).look),
        whenever(changes, ("apps", "slugs"), keep_apps),
        whenever(changes, ("schedulers", "scheduled_jobs"), lambda _: lambda: start_due_jobs(parts, pool)),
        whenever(
            changes, ("transfers", "transfer_schedules", "runs"), lambda _: lambda: begin_due_backups(parts, pool)
        ),
    ]


def _keep_spares(parts: Parts, changes: Changes, settings: Settings) -> list[Awaitable[None]]:
    return [whenever(changes, ("servers",), lambda _: SpareKeeper(parts).look)] if settings.has_spares else []


async def _become_the_worker(lock: Any, host: str) -> None:
    """A previous worker that is still dying may hold the lock for a moment."""
    async with asyncio.timeout(30):
        while not await hold_worker_lock(lock, host):  # noqa: ASYNC110 - a lock of another process has no event
            await asyncio.sleep(0.1)


async def _until_told_to_stop(*jobs: Awaitable[None]) -> None:
    """Run all concurrently. The first failure ends this process at once, SIGTERM ends it cleanly."""
    told = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, told.set)
    tasks = [asyncio.ensure_future(job) for job in jobs]
    stop = asyncio.ensure_future(told.wait())
    done, _ = await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
    await until_none_is_under_way()  # a started pause first finishes or rolls back
    if not told.is_set():
        _die([task.exception() for task in tasks if task in done])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _die(reasons: list[BaseException | None]) -> NoReturn:
    """Exit at once. Usually the state is lost: a clean exit would need it, and delay the successor."""
    for reason in reasons:
        log.error("the worker dies", exc_info=reason)
    logging.shutdown()
    os._exit(1)


async def _keep_in_use(places: Places, pool: AsyncConnectionPool[Any]) -> None:
    with places.in_use.open("a") as file:
        while True:  # runs are started by another process
            async with pool.connection() as db:
                is_busy = await has_unfinished_runs(db)
            with suppress(BlockingIOError):  # it is ending; the next one continues
                fcntl.flock(file, (fcntl.LOCK_SH | fcntl.LOCK_NB) if is_busy else fcntl.LOCK_UN)
            await asyncio.sleep(LOOK_S)


async def _sweep(dispatcher: Dispatcher, ticks: Ticks) -> None:
    await dispatcher.sweep()
    await ticks.end_stalled_jobs()


async def _housekeeping(parts: Parts, pool: AsyncConnectionPool[Any], state: State) -> None:
    """The daily dump, and periodic maintenance of servers."""
    if state.age_of_newest_dump() > DUMP_AGE:
        log.info("dumped the state to %s", await state.dump())
    await tidy_servers(parts, pool)
    await tidy_poolers(parts, pool)
    await bring_jobs_forward(pool)
    await bring_backups_forward(pool)
    await destroy_old_sources(parts, pool)
    await tidy_transfers(parts, pool)
