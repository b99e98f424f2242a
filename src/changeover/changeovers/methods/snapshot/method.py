"""The verbs of the method `snapshot`. Its pause can last for hours, so it outlives workers: it goes from phase to phase."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.errors import InsufficientPrivilege
from psycopg.types.json import Jsonb

from changeover.changeovers.checks import check
from changeover.changeovers.ends.addresses import Ends
from changeover.changeovers.holds.hooks import Hooks, run_hook
from changeover.changeovers.holds.registry import holds
from changeover.changeovers.methods.snapshot import copying
from changeover.changeovers.methods.snapshot.choosing import excluded_from
from changeover.changeovers.methods.snapshot.copying import Copies
from changeover.changeovers.methods.snapshot.planning import refusal_for
from changeover.changeovers.phases import SNAPSHOT, is_reached, phases_of
from changeover.changeovers.stopping import OUT_OF_REACH, stop
from changeover.changeovers.timing import too_early
from changeover.changeovers.verification.comparing import Comparisons, finally_failed, look_again_s
from changeover.changeovers.verification.named import unnamed
from changeover.errors import ChangeoverError, StepDeadline
from changeover.errors.elsewhere import Differs, TransferFailed
from changeover.platform.scope import Parts
from changeover.postgres.comparing.comparison import Difference
from changeover.postgres.excluding import Excluded
from changeover.postgres.filters import Filters
from changeover.postgres.progress import Progress
from changeover.postgres.snapshot import ledger
from changeover.runs.run import Advance, Outcome, Run, Wait
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow

LOOK_S = 0.5
PATIENCE = timedelta(days=1)
"""How long the sessions that can still write are waited for."""


class Snapshot:
    """A failure inside the pause stops it and keeps what is done, until a user continues or aborts it."""

    def __init__(self, parts: Parts, comparisons: Comparisons) -> None:
        self._parts, self._comparisons, self._copies = parts, comparisons, Copies(parts)
        self._holds = holds(parts)
        self._acts = {
            "held": self._hold, "copied": self._copy, "compared": self._compare,
            "point of no return": self._pass, "routed": self._route,
        }  # fmt: skip

    # -- before the pause

    async def check(self, run: Run, row: ChangeoverRow) -> Outcome:
        ends, ignored = Ends.load(self._parts, row), row.options["ignored"]
        with finally_failed():
            checked = await check(
                ends.source, ends.target, sample_s=0, mark=row.mark or "", installations=self._parts.installations
            )
            if refusal := refusal_for(checked, ignored, ends.source.database):
                raise refusal
            skips = checked.skips()
            await excluded_from(ends.source, Filters.of(row.options), skips["skip_schemas"])
        prediction: dict[str, Any] = {}
        if checked.forecast:
            prediction = {
                "predicted_pause_s": checked.forecast.downtime_s, "prediction_because": checked.forecast.because
            }  # fmt: skip
        async with run.transaction() as db:
            await query.execute(
                db, "changeovers.checked", run_id=run.id, skips=Jsonb(skips), prediction=Jsonb(prediction)
            )
        warnings = [one for one in checked.findings if one.result in ("warning", "unknown")]
        return Advance(f"{len(warnings)} warnings" if warnings else "")

    async def prepare(self, _run: Run, _row: ChangeoverRow) -> Outcome:
        """The target is there already, and nothing reaches it before the pause."""
        return Advance()

    async def behind(self, _run: Run, _row: ChangeoverRow) -> int | None:
        return 0

    # -- the pause

    async def passage(self, run: Run, row: ChangeoverRow) -> Outcome:
        if row.phase is None and (early := too_early(row)):
            return early
        for phase in phases_of(SNAPSHOT):
            if phase.name not in self._acts or is_reached(phase.name, row.phase):
                continue
            wait = await self._acts[phase.name](run, row, Ends.load(self._parts, row))
            if wait is not None:
                return wait
            async with run.transaction() as db:
                row = await query.only(db, ChangeoverRow, "changeovers.reach", run_id=run.id, phase=phase.name)
            await run.note(phase.name)
        return Advance()

    async def _hold(self, run: Run, row: ChangeoverRow, _ends: Ends) -> Outcome | None:
        held = await self._holds[row.hold].take(run, row)
        if held.waits_for:
            _require_patience(run, row, held.waits_for)
            return Wait(LOOK_S, held.waits_for)
        await self._report(run, remarks=list(held.remarks))
        return None

    async def _copy(self, run: Run, row: ChangeoverRow, ends: Ends) -> Outcome | None:
        try:
            progress, copied = await self._copies.look(run, row, ends)
        except ChangeoverError as error:
            return await stop(run, error)
        wait = await _in_progress(run, progress, copying.look_again_s(progress))
        if copied is None:
            return wait
        async with run.transaction() as db:
            await query.execute(db, "changeovers.copied", run_id=run.id, copied=Jsonb(copied))
        return None

    async def _compare(self, run: Run, row: ChangeoverRow, ends: Ends) -> Outcome | None:
        if row.options["verify"] == "none":
            return None
        skips, copied = row.skips or {}, row.copied or {}
        try:
            progress, found = await self._comparisons.look(
                run, ends.source, ends.target, is_quick=row.options["verify"] == "counts",
                skip_schemas=tuple(skips["skip_schemas"]), skip_extensions=tuple(skips["skip_extensions"]),
                excluded=Excluded.of(copied.get("excluded", {})), compares_owners=_came_with_owners(row),
                properties_decide=False,
            )  # fmt: skip
        except ChangeoverError as error:
            return await stop(run, error)
        wait = await _in_progress(run, progress, look_again_s(progress))
        if found is None:
            return wait
        unexplained = unnamed(found, copied.get("not_brought", ()))
        named = len(found.differences) - len(unexplained)
        await self._report(run, verification=found.as_dict() | {"differences_named": named})
        if unexplained and row.hold != "none":
            return await stop(run, differs(unexplained))
        return None

    async def _pass(self, run: Run, _row: ChangeoverRow, _ends: Ends) -> Outcome | None:
        async with run.transaction():
            if not run.row.is_past_return:
                await run.pass_point_of_no_return()
        return None

    async def _route(self, run: Run, row: ChangeoverRow, ends: Ends) -> Outcome | None:
        try:
            await run_hook("switch", Hooks.of(row, self._parts.cipher).on_switch, ends)
        except ChangeoverError as error:
            return await stop(run, error)
        return None

    # -- after the pause

    async def finish(self, run: Run, row: ChangeoverRow) -> Outcome:
        if not row.source_url:  # it was done, and the worker died before it could say so
            return Advance()
        ends = Ends.load(self._parts, row)
        if row.hold != "none" and row.held_at and row.released_at:
            await self._report(run, held_s=round((row.released_at - row.held_at).total_seconds(), 1))
        try:
            await self._copies.tidy(run, row, ends)
        except InsufficientPrivilege as refused:
            return await stop(run, _not_tidied(ends, refused))
        await self.forget(run, row)
        return Advance()

    # -- back

    async def let_go(self, run: Run, row: ChangeoverRow) -> None:
        if row.held is None:
            return
        try:
            held = await self._holds[row.hold].let_go(run, row)
        except OUT_OF_REACH as gone:
            await self._leave(run, row, f"the source's writers are still held: {gone.what}")
            return
        for what in held.left:
            await self._leave(run, row, what)
        async with run.transaction() as db:  # not before what is left was written down
            await query.execute(db, "changeovers.let_go", run_id=run.id)

    async def undo(self, run: Run, row: ChangeoverRow) -> None:
        self._comparisons.forget(run)
        if row.phase is None:  # the copy begins after the hold: nothing was made
            return
        for what in await self._copies.remove(run, row, Ends.load(self._parts, row)):
            await self._leave(run, row, what)

    async def forget(self, run: Run, _row: ChangeoverRow) -> None:
        async with run.transaction() as db:
            await query.execute(db, "changeovers.forget_addresses", run_id=run.id)

    async def _report(self, run: Run, **parts: Any) -> None:
        async with run.transaction() as db:
            await query.execute(db, "changeovers.report", run_id=run.id, report=Jsonb(parts))

    async def _leave(self, run: Run, row: ChangeoverRow, what: str) -> None:
        """Say in journal and report what could not be put back."""
        await run.note("left", what)
        left = (await query.only(run.db, ChangeoverRow, "changeovers.find", run_id=row.run_id)).report.get("left", [])
        if what not in left:
            await self._report(run, left=[*left, what])


def _require_patience(run: Run, row: ChangeoverRow, because: str) -> None:
    """Writers that are half held are not held for ever. Raises StepDeadline."""
    if row.held_at is not None and datetime.now(UTC) - row.held_at > PATIENCE:
        raise StepDeadline(
            f"Holding the writers took longer than a day for {run.row.subject}.",
            why=f"It was waiting: {because}.",
            fix="End these sessions, then run the command again.",
        )


async def _in_progress(run: Run, progress: Progress, seconds: float) -> Wait:
    await query.execute(run.db, "changeovers.tell", run_id=run.id, progress=Jsonb(progress.as_dict()))
    return Wait(seconds, f"{progress.phase}: {progress.says}".strip(": "), percent=progress.percent)


def _came_with_owners(row: ChangeoverRow) -> bool:
    """Whether owners and rights can be compared: the copy gave everything to its owner on the source."""
    is_asked = row.options["keeps_owners"] and (row.skips or {})["keeps_owners"]
    return bool(is_asked) and not (row.copied or {}).get("owners_lost")


def _not_tidied(ends: Ends, refused: InsufficientPrivilege) -> TransferFailed:
    return TransferFailed(
        f"Everything is moved, but {ends.target.user} may not drop the schema {ledger.SCHEMA} on the target.",
        why=refused.diag.message_primary or "",
        fix=f"Drop it there as its owner (DROP SCHEMA {ledger.SCHEMA} CASCADE). Then repeat the command: it ends the migration.",
    )


def differs(found: Sequence[Difference]) -> Differs:
    """The first difference in words, and how many more there are."""
    first, more = found[0], len(found) - 1
    return Differs(
        f"Source and target differ: {first}",
        why=f"And in {more} more." if more else "",
        fix="If rows differ, find out who wrote there. What else differs could not be carried over: make it by hand. "
        "Then `changeover verify` compares again.",
    )
