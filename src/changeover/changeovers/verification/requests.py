"""Asking for two databases to be compared, and for what was found."""

from __future__ import annotations

from dataclasses import dataclass

from changeover.changeovers.ends.addresses import label, location_named, require_two, subject_of
from changeover.errors import NotFound
from changeover.platform.progress import find_visible_run
from changeover.platform.scope import Scope
from changeover.runs.starting import start_run
from changeover.store import query
from changeover.store.changeover_rows import VerificationRow
from changeover.store.rows import RunRow

KIND = "verify"


@dataclass(frozen=True)
class SeenVerification:
    row: VerificationRow
    run: RunRow


async def verify(scope: Scope, source: str, target: str, *, is_quick: bool) -> SeenVerification:
    """Start comparing them. Raises BadAddress, NotFound, RunConflict."""
    ends = await location_named(scope, source), await location_named(scope, target)
    require_two(*ends)
    run = await start_run(
        scope.db, kind=KIND, first_step="compare", subject=await subject_of(scope, f"{label(ends[1])} (verify)"), app=None,
        account_id=scope.caller.id, host=scope.parts.host, given={"account_id": str(scope.caller.id)},
    )  # fmt: skip
    cipher = scope.parts.cipher
    await query.execute(
        scope.db, "verifications.add",
        run_id=run.id, source_url=cipher.encrypt(ends[0].url), target_url=cipher.encrypt(ends[1].url),
        source_name=str(ends[0]), target_name=str(ends[1]), is_quick=is_quick,
    )  # fmt: skip
    scope.started.append(run)
    return await find_verification(scope, run.id)


async def find_verification(scope: Scope, number: int) -> SeenVerification:
    """Raises NotFound, also for one of another account."""
    run = await find_visible_run(scope, number, kind=KIND)
    row = await query.one(scope.db, VerificationRow, "verifications.find", run_id=number) if run is not None else None
    if row is None or run is None:
        raise NotFound(
            "Couldn't find that verification.",
            fix="`changeover runs --all` lists what there was.",
            resource="verification",
        )
    return SeenVerification(row, run)
