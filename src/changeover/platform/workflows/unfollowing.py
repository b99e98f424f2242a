"""Makes a follower a standalone database. This can't be undone, because a promoted server has its own timeline."""

from __future__ import annotations

from uuid import UUID

from changeover.platform.environment import database_url
from changeover.platform.scope import Parts
from changeover.platform.servers import as_server
from changeover.runs.run import Advance, Outcome, Run, Step, Workflow
from changeover.store import query
from changeover.store.rows import Database, ServerRow


class Unfollowing:
    """The steps of `unfollow`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def workflow(self) -> Workflow:
        return Workflow(
            "unfollow",
            (
                Step("promote", self.promote, "Make the follower writable", deadline_s=120),
                Step("alone", self.stand_alone, "Record its parent, and that it has no leader", deadline_s=60),
                Step("slot", self.drop_slot, "Drop its slot on the former leader", deadline_s=120),
            ),
        )

    async def promote(self, run: Run) -> Outcome:
        await free_server(run, self._parts, run.input["server"])
        return Advance("accepts writes")

    async def stand_alone(self, run: Run) -> Outcome:
        await mark_standalone(run, self._parts, UUID(run.input["addon_id"]), UUID(run.input["leader_id"]))
        return Advance()

    async def drop_slot(self, run: Run) -> Outcome:
        await drop_slot(run, self._parts, run.input["server"], run.input["leader_server"])
        return Advance()


async def free_server(run: Run, parts: Parts, name: str) -> None:
    """Promote it, as this run and epoch. Does nothing if it is already writable."""
    server = as_server(await query.only(run.db, ServerRow, "databases.server", name=name))
    await parts.engine.promote(server, acting_as=run.acting_as)


async def mark_standalone(run: Run, parts: Parts, addon_id: UUID, leader_id: UUID) -> None:
    async with run.transaction() as db:
        leader = await query.one(db, Database, "databases.find", addon_id=leader_id)
        parent = (await database_url(db, parts.cipher, leader)).bare if leader else None
        await query.execute(db, "databases.stand_alone", addon_id=addon_id, forked_from=parent)


async def drop_slot(run: Run, parts: Parts, name: str, leader_name: str) -> None:
    server = await query.only(run.db, ServerRow, "databases.server", name=name)
    leader = await query.one(run.db, ServerRow, "databases.server", name=leader_name)
    if leader is not None:
        await parts.engine.forget_follower(as_server(leader), as_server(server))
