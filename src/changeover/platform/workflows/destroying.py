"""Destroys a database that was already detached: unfollows its followers, then removes process and data."""

from __future__ import annotations

from uuid import UUID

from changeover.platform.scope import Parts
from changeover.platform.workflows.dismantling import dismantle
from changeover.platform.workflows.unfollowing import drop_slot, free_server, mark_standalone
from changeover.runs.run import Advance, Outcome, Run, Step, Workflow
from changeover.store import query
from changeover.store.rows import Database


class Destroying:
    """The steps of `destroy`. Nothing is undone: what the user confirmed is completed even after crashes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def workflow(self) -> Workflow:
        return Workflow(
            "destroy",
            (
                Step("free", self.free_followers, "Make its followers standalone databases", deadline_s=300),
                Step("remove", self.remove, "Remove process and data", deadline_s=300),
            ),
        )

    async def free_followers(self, run: Run) -> Outcome:
        followers = await query.rows(run.db, Database, "databases.followers", addon_id=run.input["addon_id"])
        for follower in followers:
            await free_server(run, self._parts, follower.server_name)
            await drop_slot(run, self._parts, follower.server_name, run.input["server"])
            await mark_standalone(run, self._parts, follower.addon_id, UUID(run.input["addon_id"]))
        return Advance(f"{len(followers)} freed" if followers else "")

    async def remove(self, run: Run) -> Outcome:
        await dismantle(run, self._parts)
        return Advance()
