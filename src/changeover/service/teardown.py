"""Stops everything that an installation runs: copies, dumps and restores, poolers and servers, and last the dumped state."""

from __future__ import annotations

import shutil

from changeover.hosts.remains import end_tasks
from changeover.platform.pooling import stop_poolers
from changeover.platform.servers import stop_all
from changeover.platform.transfers.keeping import end_transfers
from changeover.runs.ticks import Ticks
from changeover.service.composition import connect_state, make_parts
from changeover.service.places import Places
from changeover.service.state import State
from changeover.settings import Settings


async def teardown(places: Places, settings: Settings) -> list[str]:
    """Returns the names of the stopped servers. Starts the state first if it had died, because it lists the servers."""
    state = State(places, settings)
    await state.start()
    await end_tasks(places.home.resolve())
    parts = make_parts(places, settings, Ticks(state.conninfo, host=settings.host_name))
    await parts.router.stop()
    await parts.dynos.stop()
    async with await connect_state(state) as db:
        await end_transfers(db)
        await stop_poolers(parts, db)
        stopped = await stop_all(parts, db)
    await state.dump()
    await state.stop()
    state.leave_for_former_version()
    if places.sockets.exists():
        shutil.rmtree(places.sockets)
    return stopped
