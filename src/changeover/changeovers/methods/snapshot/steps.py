"""The table of steps of a migration. Everything is undone on `--abort`, until writers are led to the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from psycopg.errors import InsufficientPrivilege
from psycopg.types.json import Jsonb

from changeover.changeovers.checks import Finding, check
from changeover.changeovers.holds import writers as holds
from changeover.changeovers.holds.writers import Ends
from changeover.changeovers.methods.snapshot import copying
from changeover.changeovers.methods.snapshot.choosing import excluded_from
from changeover.changeovers.methods.snapshot.copying import Copies
from changeover.changeovers.methods.snapshot.options import held_since, hooks_of
from changeover.changeovers.verification.comparing import Comparisons, finally_failed, look_again_s
from changeover.changeovers.verification.named import unnamed
from changeover.errors import ChangeoverError, ServerUnreachable
from changeover.errors.elsewhere import (
    CheckFailed,
    ConnectionLost,
    Differs,
    HoldFailed,
    HookFailed,
    LoginRefused,
    TransferFailed,
)  # fmt: skip
from changeover.platform.locations import kept_location
from changeover.platform.scope import Parts
from changeover.postgres.comparing.comparison import Difference
from changeover.postgres.excluding import Excluded
from changeover.postgres.filters import Filters
from changeover.postgres.snapshot import ledger
from changeover.runs.run import Advance, Outcome, Run, Step, Wait, Workflow
from changeover.store import query
from changeover.store.move_rows import MigrationRow

DAYS_S = 86400.0
LOOK_S, STOPPED_S = 0.5, 86400.0
GONE = (ServerUnreachable, ConnectionLost, LoginRefused, HoldFailed, HookFailed)
"""What a side that is dead, or has been taken away, or was never ours to change, says when everything is to be put back."""


class Migrating:
    """The steps of `migrate`. What fails in the middle stops it and keeps what is done, until a person goes on or aborts."""

    def __init__(self, parts: Parts, comparisons: Comparisons) -> None:
        self._parts, self._comparisons, self._copies = parts, comparisons, Copies(parts)

    def workflow(self) -> Workflow:
        return Workflow(
            "migrate",
            (
                Step("check", self.check, "Check both sides; change nothing", undo=self.forget, deadline_s=900),
                Step("hold", self.hold, "Hold the source's writers back, as asked", undo=self.let_go, deadline_s=DAYS_S),
                Step("copy", self.copy, "Copy schema, data, indexes, constraints, rights", undo=self.remove,
                     deadline_s=30 * DAYS_S),
                Step("verify", self.verify, "Compare both sides, as asked", deadline_s=30 * DAYS_S),
                Step("switch", self.switch, "Lead the writers to the target, as asked", deadline_s=DAYS_S),
                Step("release", self.release, "Let the writers go on", deadline_s=DAYS_S),
                Step("tidy", self.tidy, "Remove what only the migration needed", deadline_s=DAYS_S),
            ),
        )  # fmt: skip

    # -- forward

    async def check(self, run: Run) -> Outcome:
        row, ends = await self._load(run)
        with finally_failed():
            checked = await check(
                ends.source, ends.target, sample_s=0, mark=row.mark, installations=self._parts.installations
            )
        failed = [one for one in checked.findings if one.result == "failed" and one.id not in row.wish["ignored"]]
        if failed:
            raise CheckFailed(
                f"{ends.source.database} can't be brought over yet; nothing was changed.",
                why="\n".join(_in_a_line(one) for one in failed),
                fix=f"Fix that, then repeat the command. `--ignore {failed[0].id}` skips a failed check.",
            )
        forecast = asdict(checked.forecast) if checked.forecast else None
        skips = checked.skips()
        with finally_failed():
            await excluded_from(ends.source, Filters.of(row.wish), skips["skip_schemas"])
        await self._report(run, skips=skips, forecast=forecast)
        warnings = [one for one in checked.findings if one.result in ("warning", "unknown")]
        return Advance(f"{len(warnings)} warnings" if warnings else "")

    async def hold(self, run: Run) -> Outcome:
        row, ends = await self._load(run)
        hooks = hooks_of(row, self._parts.cipher)
        if row.held is None:
            changed = {**await holds.begin(row.wish["hold"], ends, hooks), "since": datetime.now(UTC).isoformat()}
            async with run.transaction() as db:
                await query.execute(db, "migrations.hold", run_id=run.id, held=Jsonb(changed))
            row, ends = await self._load(run)
        held = await holds.take(row.held or {}, ends, hooks)
        if held.changed != row.held:
            async with run.transaction() as db:
                await query.execute(db, "migrations.hold", run_id=run.id, held=Jsonb(held.changed))
        if held.waits_for:
            who = ", ".join(held.waits_for)
            return Wait(
                LOOK_S, f"these may have begun before the hold, and {ends.source.user} can't end them; end them: {who}"
            )
        await self._report(run, remarks=held.remarks)
        return Advance(row.wish["hold"])

    async def copy(self, run: Run) -> Outcome:
        row, ends = await self._load(run)
        if row.stopped is not None:
            return _stopped(row)
        try:
            progress, report = await self._copies.look(run, row, ends)
        except ChangeoverError as error:
            return await self._stop(run, error)
        await query.execute(run.db, "migrations.tell", run_id=run.id, progress=Jsonb(progress.as_dict()))
        if report is None:
            return Wait(
                copying.look_again_s(progress),
                f"{progress.phase}: {progress.says}".strip(": "),
                percent=progress.percent,
            )
        await self._report(run, copy=report)
        return Advance()

    async def verify(self, run: Run) -> Outcome:
        row, ends = await self._load(run)
        if row.wish["verify"] == "none":
            return Advance("not asked for")
        if row.stopped is not None:
            return _stopped(row)
        try:
            progress, found = await self._comparisons.look(
                run, ends.source, ends.target, is_quick=row.wish["verify"] == "counts",
                skip_schemas=tuple(row.report["skips"]["skip_schemas"]),
                skip_extensions=tuple(row.report["skips"]["skip_extensions"]),
                excluded=Excluded.of(row.report["copy"].get("excluded", {})),
                compares_owners=_came_with_owners(row), properties_decide=False,
            )  # fmt: skip
        except ChangeoverError as error:
            return await self._stop(run, error)
        await query.execute(run.db, "migrations.tell", run_id=run.id, progress=Jsonb(progress.as_dict()))
        if found is None:
            return Wait(
                look_again_s(progress), f"{progress.phase}: {progress.says}".strip(": "), percent=progress.percent
            )
        unexplained = unnamed(found, row.report["copy"].get("not_brought", ()))
        named = len(found.differences) - len(unexplained)
        await self._report(run, verification=found.as_dict() | {"differences_named": named})
        if unexplained and row.wish["hold"] != "none":
            return await self._stop(run, differs(unexplained))
        return Advance()

    async def switch(self, run: Run) -> Outcome:
        row, ends = await self._load(run)
        if row.stopped is not None:
            return _stopped(row)
        hooks = hooks_of(row, self._parts.cipher)
        async with run.transaction():
            if not run.row.is_past_return:
                await run.pass_point_of_no_return()
        try:
            await holds.run_hook("switch", hooks.on_switch, ends)
        except ChangeoverError as error:
            return await self._stop(run, error)
        return Advance()

    async def release(self, run: Run) -> Outcome:
        row, ends = await self._load(run)
        if row.stopped is not None:
            return _stopped(row)
        try:
            await holds.let_go(row.held or {}, ends, hooks_of(row, self._parts.cipher), outcome="done")
        except ChangeoverError as error:
            return await self._stop(run, error)
        if (since := held_since(row)) is not None and "held_s" not in row.report:
            await self._report(run, held_s=round((datetime.now(UTC) - since).total_seconds(), 1))
        return Advance()

    async def tidy(self, run: Run) -> Outcome:
        row = await self._row(run)
        if row.stopped is not None:
            return _stopped(row)
        if row.source_url:  # else it was done, and the worker died before it could say so
            row, ends = await self._load(run)
            try:
                await self._copies.tidy(run, row, ends)
            except InsufficientPrivilege as refused:
                return await self._stop(run, _not_tidied(ends, refused))
            await self.forget(run)
        return Advance()

    # -- back

    async def forget(self, run: Run) -> None:
        """The addresses, whose passwords nobody needs any more."""
        async with run.transaction() as db:
            await query.execute(db, "migrations.forget_secrets", run_id=run.id)

    async def let_go(self, run: Run) -> None:
        row, ends = await self._load(run)
        if row.held is not None:
            try:
                left = await holds.let_go(row.held, ends, hooks_of(row, self._parts.cipher), outcome="aborted")
            except GONE as gone:
                await self._leave(run, f"the source's writers are still held: {gone.what}")
                return
            for session in left:
                await self._leave(run, f"a session that can't write until it begins anew: {session}")
            async with run.transaction() as db:
                await query.execute(db, "migrations.hold", run_id=run.id, held=None)

    async def remove(self, run: Run) -> None:
        row, ends = await self._load(run)
        self._comparisons.forget(run)
        for what in await self._copies.remove(run, row, ends):
            await self._leave(run, what)

    # -- parts

    async def _load(self, run: Run) -> tuple[MigrationRow, Ends]:
        row = await self._row(run)
        source, target = (kept_location(self._parts, url) for url in (row.source_url, row.target_url))
        return row, Ends(run.id, source, target, self._parts.ca_certificate)

    async def _row(self, run: Run) -> MigrationRow:
        return await query.only(run.db, MigrationRow, "migrations.find", run_id=run.id)

    async def _report(self, run: Run, **parts: Any) -> None:
        async with run.transaction() as db:
            await query.execute(db, "migrations.report", run_id=run.id, report=Jsonb(parts))

    async def _leave(self, run: Run, what: str) -> None:
        """Say in journal and report what could not be put back."""
        await run.note("left", what)
        left = (await self._row(run)).report.get("left", [])
        if what not in left:
            await self._report(run, left=[*left, what])

    async def _stop(self, run: Run, error: ChangeoverError) -> Outcome:
        """Keep what is done, and wait for a person; what may mend itself is tried again by the step's own retries."""
        if error.retryable:
            return Wait(5, f"{error.what} {error.why} Trying again.")
        async with run.transaction() as db:
            await query.execute(db, "migrations.stop", run_id=run.id, stopped=Jsonb(error.as_dict()))
        await run.note("stopped", error.message)
        return Wait(STOPPED_S, f"stopped: {error.what}")


def _came_with_owners(row: MigrationRow) -> bool:
    """Whether owners and rights can be compared: the copy could give everything to whom it belongs on the source."""
    is_asked = row.wish["keeps_owners"] and row.report["skips"]["keeps_owners"]
    return bool(is_asked) and not row.report["copy"].get("owners_lost")


def _not_tidied(ends: Ends, refused: InsufficientPrivilege) -> TransferFailed:
    return TransferFailed(
        f"Everything is moved, but {ends.target.user} may not drop the schema {ledger.SCHEMA} on the target.",
        why=refused.diag.message_primary or "",
        fix=f"Drop it there as its owner (DROP SCHEMA {ledger.SCHEMA} CASCADE). Then repeat the command: it ends the migration.",
    )


def _stopped(row: MigrationRow) -> Wait:
    return Wait(STOPPED_S, f"stopped: {(row.stopped or {}).get('what', '')}")


def _in_a_line(finding: Finding) -> str:
    lists = f"To list them: {finding.query}" if finding.query else ""
    return " ".join(part for part in (f"{finding.id}:", finding.what, lists, finding.fix) if part)


def differs(found: Sequence[Difference]) -> Differs:
    """The first difference in words, and how many more there are."""
    first, more = found[0], len(found) - 1
    return Differs(
        f"Source and target differ: {first}",
        why=f"And in {more} more." if more else "",
        fix="If rows differ, find out who wrote there. What else differs could not be carried over: make it by hand. "
        "Then `changeover verify` compares again.",
    )
