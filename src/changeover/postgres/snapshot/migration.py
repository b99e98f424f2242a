"""One attempt at one snapshot: locks the target, reads what earlier attempts did, and runs the phases."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from changeover.errors import RunConflict
from changeover.postgres.connect import Connection
from changeover.postgres.excluding import choose
from changeover.postgres.snapshot.cleaning import drop_what_was_made
from changeover.postgres.snapshot.contents import Contents, read_contents
from changeover.postgres.snapshot.course import Course, encoding_of, encodings_of
from changeover.postgres.snapshot.elsewhere import read_elsewhere
from changeover.postgres.snapshot.holder import Moment
from changeover.postgres.snapshot.ledger import Ledger, open_ledger
from changeover.postgres.snapshot.place import Place, end_leftovers
from changeover.postgres.snapshot.rewritten import rewritten_since
from changeover.postgres.snapshot.schema import naming
from changeover.postgres.snapshot.sessions import writing
from changeover.postgres.snapshot.shaping import read_shaping

LOCK: Final = "changeover snapshot"


class Migration(Place):
    """A running job."""

    async def attempt(self) -> dict[str, Any]:
        """Do everything that is left to do and return the report. Raises the drivers' errors when a server goes away."""
        async with writing(self.target, self.name) as target:
            await end_leftovers(target, self.name)
            await self._lock(target)
            ledger = await self._ledger(target)
            if report := ledger.of("finished").get("report"):
                return report
            async with self.holder.busy:
                excluded = await choose(self.holder.connection, self.job.filters, self.job.skip_schemas)
                contents = await read_contents(
                    self.holder.connection, self.job.skip_schemas, self.job.skip_extensions,
                    target_encoding=await encoding_of(target),
                )  # fmt: skip
                elsewhere = await read_elsewhere(self.holder.connection, self.job.skip_schemas)
                shaping = await read_shaping(self.holder.connection, target)
            contents, elsewhere = contents.without(excluded), elsewhere.without(excluded)
            with naming("A table that may not be read"):
                await self.holder.lock([(table.schema, table.name) for table in contents.tables])
            await self._begin_again_if_rewritten(target, ledger, contents)
            encodings = await encodings_of(target, contents)
            course = Course(self, target, ledger, contents, elsewhere, encodings, shaping, excluded)
            return await course.run()

    async def _lock(self, target: Connection) -> None:
        """Lock the database against other migrations into it. Raises RunConflict."""
        await target.execute("SET lock_timeout = '15s'")
        try:
            await target.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [LOCK])
        except psycopg.errors.LockNotAvailable as held:
            raise RunConflict(
                "Another migration is already writing to this database.",
                why="It holds the lock on the target.",
                fix="Wait until it finishes, or abort it.",
            ) from held
        await target.execute("SET lock_timeout = 0")

    async def _begin_again_if_rewritten(self, target: Connection, ledger: Ledger, contents: Contents) -> None:
        """A lost snapshot released our locks, so tables may have been rewritten before we locked them again."""
        plan = ledger.of("plan")
        async with self.holder.busy:
            names = await rewritten_since(
                self.holder.connection, contents.tables, plan.get("cuts", {}), plan.get("files", {})
            )
        if names:
            self.telling.note(
                f"Rows of {', '.join(names)} moved to other blocks (VACUUM FULL or CLUSTER). The copy started over."
            )
            self.telling.enter("clean", "what was copied before rows moved")
            await drop_what_was_made(target, ledger, keeps_ledger=True)

    async def _ledger(self, target: Connection) -> Ledger:
        """The ledger to use with this snapshot. If the source was written to since, everything starts over."""
        ledger = await open_ledger(target, self.job.mark, self.job.skip_schemas)
        if ledger.of("finished"):
            return ledger
        noted = ledger.of("moment")
        before = Moment(**noted["snapshot"]) if noted else None
        if self.holder.is_noted(noted):
            return ledger
        moment = self.holder.moment
        if before and moment.is_still(before):
            self.telling.note(
                "The snapshot was lost. Nothing was written on the source since, so the copied data is kept."
            )
            moment = before
        elif before and self.job.is_held and moment.is_of_server_of(before):
            self.telling.note(
                "The snapshot was lost. Writers have been held since before the copy, so the copied data is kept."
            )
        elif before:
            self.telling.note("The snapshot was lost and the source was written to since. The copy started over.")
            self.telling.enter("clean", "what was copied at the lost snapshot")
            await drop_what_was_made(target, ledger, keeps_ledger=True)
        async with target.transaction():
            await ledger.forget(target, "moment")
            await ledger.note(target, "moment", "snapshot", **moment.as_facts())
            await ledger.note(target, "moment", "holder", snapshot=self.holder.snapshot)
        return ledger
