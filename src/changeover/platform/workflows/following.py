"""Creates a follower: a base backup of its leader, started as a streaming standby."""

from __future__ import annotations

from changeover.engines.engine import Server, Size
from changeover.errors import ServerFailed, WalGone
from changeover.platform.scope import Parts
from changeover.platform.servers import as_server, holding_server
from changeover.platform.workflows.dismantling import dismantle
from changeover.platform.workflows.provisioning import announce
from changeover.runs.run import Advance, Outcome, Run, Step, Wait, Workflow
from changeover.store import query
from changeover.store.rows import ServerRow

DAYS_S = 86400.0


class Following:
    """The steps of `follow`. Its undo removes the follower and its slot, so the leader is as before."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def workflow(self) -> Workflow:
        return Workflow(
            "follow",
            (
                Step(
                    "copy", self.copy, "Copy the leader's data; it stays live", undo=self.remove, deadline_s=7 * DAYS_S
                ),
                Step("stream", self.stream, "Start the follower and let it stream", deadline_s=300),
                Step("ready", self.announce, "Hand it to its app", deadline_s=60),
            ),
        )

    async def remove(self, run: Run) -> None:
        await dismantle(run, self._parts)

    async def copy(self, run: Run) -> Outcome:
        row, server, leader = await self._both(run)
        await self._parts.engine.begin_copy(server, leader, Size(**row.size))
        progress = await self._parts.engine.copy_progress(server, leader)
        if not progress.is_done:
            return Wait(0.25, f"base backup {progress.percent} %", percent=progress.percent)
        return Advance()

    async def stream(self, run: Run) -> Outcome:
        row, server, leader = await self._both(run)
        async with holding_server(run.db, row.name) as is_ours:
            if not is_ours:
                return Wait(0.2, "the server is being started")
            await self._parts.engine.start(server)
            async with run.transaction() as db:
                await query.execute(db, "databases.want_server", name=row.name, is_wanted=True)
        health = await self._parts.engine.health(server)
        if health.state == "failed":
            raise ServerFailed(f"The follower {run.row.subject} does not start.", why=health.because)
        if health.state != "available":
            return Wait(0.1, f"the follower is {health.state}", percent=99)
        behind = await self._parts.engine.behind(server, leader)
        if behind.is_lost:
            raise WalGone(
                f"The follower {run.row.subject} can't catch up.",
                why="Its leader wrote more WAL than it keeps (max_slot_wal_keep_size) before the copy was complete.",
                fix="Create it again when the leader is less busy.",
            )
        if not behind.is_streaming:
            return Wait(0.1, "the follower is connecting to its leader", percent=99)
        return Advance()

    async def announce(self, run: Run) -> Outcome:
        await announce(run, self._parts)
        return Advance()

    async def _both(self, run: Run) -> tuple[ServerRow, Server, Server]:
        row = await query.only(run.db, ServerRow, "databases.server", name=run.input["server"])
        leader = await query.only(run.db, ServerRow, "databases.server", name=run.input["leader_server"])
        return row, as_server(row), as_server(leader)
