"""The copying programs of migrations: started where none runs, looked at, ended, and what they made removed."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

from changeover.changeovers.ends.addresses import Ends
from changeover.errors import InternalError
from changeover.errors.elsewhere import TransferFailed
from changeover.hosts.users import run_as_for_clients
from changeover.platform.scope import Parts
from changeover.postgres.filters import Filters
from changeover.postgres.progress import Progress
from changeover.postgres.snapshot.cleaning import clean, forget_ledger
from changeover.postgres.snapshot.job import Job
from changeover.postgres.snapshot.starting import Outcome, last_said, log_of, look, processes, start, stop
from changeover.runs.run import Run
from changeover.store.changeover_rows import ChangeoverRow

log = logging.getLogger(__name__)

MOST_DEATHS = 5
MOST_OF_ACCOUNT = 8
"""Programs that one account may have at work at once. Their runs hold no slots, so nothing else limits them."""
WAITS = Progress("start", f"waits until fewer than {MOST_OF_ACCOUNT} of your copies are under way")
LOOK_S, WAITS_S = 0.5, 5.0


def look_again_s(progress: Progress) -> float:
    return WAITS_S if progress is WAITS else LOOK_S


class Copies:
    """Each run has one at most, known by its work folder: it outlives the worker, and the next one finds it there."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._deaths: dict[int, int] = {}
        self._under_way: dict[int, UUID | None] = {}
        """Accounts by run, of those that were seen at work."""

    async def look(self, run: Run, row: ChangeoverRow, ends: Ends) -> tuple[Progress, dict[str, Any] | None]:
        """How far it is, and its report once it is done. Raises what it failed of: the next look starts it again."""
        work = self._work(run)
        found = look(work) if work.exists() else None
        if isinstance(found, Outcome):
            self._under_way.pop(run.id, None)
            if found.error is not None:
                if found.error.id == InternalError.id:
                    log.error("the copy of run %d failed:\n%s", run.id, log_of(work))
                shutil.rmtree(work)
                raise found.error
            return Progress("done", things_done=1, things_total=1), found.report
        if found is None or not processes(work):
            self._under_way.pop(run.id, None)
            if self._others_of_account(run) >= MOST_OF_ACCOUNT:
                return WAITS, None
            self._count_death(run, work)
            await start(self._job(run, row, ends), work, run_as=run_as_for_clients())
            found = Progress("start")
        self._under_way[run.id] = run.row.account_id
        return found, None

    def _others_of_account(self, run: Run) -> int:
        return sum(number != run.id and account == run.row.account_id for number, account in self._under_way.items())

    async def remove(self, run: Run, row: ChangeoverRow, ends: Ends) -> list[str]:
        """All that it made, on both sides; in words what could not be removed."""
        await stop(self._work(run))
        self._under_way.pop(run.id, None)
        left = await clean(self._job(run, row, ends))
        shutil.rmtree(self._work(run), ignore_errors=True)
        return left

    async def tidy(self, run: Run, row: ChangeoverRow, ends: Ends) -> None:
        """What was made stays for good."""
        await forget_ledger(self._job(run, row, ends))
        shutil.rmtree(self._work(run), ignore_errors=True)

    def _count_death(self, run: Run, work: Path) -> None:
        """One that is killed is started again; one that dies of itself each time is a bug of ours, and is said."""
        if not work.exists():
            return
        self._deaths[run.id] = self._deaths.get(run.id, 0) + 1
        if self._deaths[run.id] > MOST_DEATHS:
            del self._deaths[run.id]
            raise TransferFailed(
                "The copying program keeps dying.",
                why=last_said(work),
                fix="Report this; the same command tries again.",
            )

    def _job(self, run: Run, row: ChangeoverRow, ends: Ends) -> Job:
        skips, options = row.skips or {}, row.options
        return Job(
            source=ends.source.url, target=ends.target.url, run=run.acting_as, mark=row.mark or "", is_held=row.hold != "none",
            connections=options["connections"], keeps_ledger=True,
            installations=tuple(str(path) for path in self._parts.installations),
            skip_extensions=tuple(skips.get("skip_extensions", ())), skip_schemas=tuple(skips.get("skip_schemas", ())),
            skip_roles=tuple(skips.get("skip_roles", ())),
            refresh=options.get("refresh", "all"), filters=Filters.of(options),
            keeps_owners=options["keeps_owners"] and skips.get("keeps_owners", True),
        )  # fmt: skip

    def _work(self, run: Run) -> Path:
        return self._parts.home / "migrations" / str(run.id)
