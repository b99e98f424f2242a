"""The table of steps of a comparison alone: `changeover verify`."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from changeover.changeovers.ends.addresses import mark_of
from changeover.changeovers.verification.comparing import Comparisons, finally_failed, look_again_s
from changeover.changeovers.verification.named import left_out_by, with_names
from changeover.platform.locations import kept_location
from changeover.platform.scope import Parts
from changeover.postgres.location import Location
from changeover.runs.run import Advance, Outcome, Run, Step, Wait, Workflow
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow, VerificationRow

DAYS_S = 86400.0


class Verifying:
    """The one step of `verify`. It changes nothing, so there is nothing to undo but to stop."""

    def __init__(self, parts: Parts, comparisons: Comparisons) -> None:
        self._parts, self._comparisons = parts, comparisons

    def workflow(self) -> Workflow:
        says = "Compare both sides, each as it is at one moment"
        return Workflow(
            "verify",
            (Step("compare", self.compare, says, undo=self.stop, deadline_s=30 * DAYS_S, most_retries=3),),
            comes_last=True,
        )

    async def compare(self, run: Run) -> Outcome:
        row = await query.only(run.db, VerificationRow, "verifications.find", run_id=run.id)
        if row.report is not None:  # the worker died before it could say so
            return Advance()
        source, target = (kept_location(self._parts, url) for url in (row.source_url, row.target_url))
        former = await self._migration(run, source, target)
        left_out = left_out_by(former) if former else {}
        with finally_failed():
            progress, found = await self._comparisons.look(run, source, target, is_quick=row.is_quick, **left_out)
        if found is None:
            await query.execute(run.db, "verifications.tell", run_id=run.id, progress=Jsonb(progress.as_dict()))
            return Wait(
                look_again_s(progress), f"{progress.phase}: {progress.says}".rstrip(": "), percent=progress.percent
            )
        async with run.transaction() as db:
            await query.execute(db, "verifications.finish", run_id=run.id, report=Jsonb(with_names(found, former)))
        return Advance("equal" if not found.differences else f"{len(found.differences)} differences")

    async def _migration(self, run: Run, source: Location, target: Location) -> ChangeoverRow | None:
        """The account's last between these two, if it was done: what it left out is known."""
        account = run.row.account_id
        if account is None:
            return None
        marks = [mark_of(source, target, account), mark_of(source, target)]
        return await query.one(run.db, ChangeoverRow, "changeovers.finished_between", marks=marks, account_id=account)

    async def stop(self, run: Run) -> None:
        self._comparisons.forget(run)
