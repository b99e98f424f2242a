"""When a pause may begin: as soon as the target is ready, at a given time, or when a user says so."""

from __future__ import annotations

from datetime import UTC, datetime

from changeover.runs.run import Wait
from changeover.store.changeover_rows import ChangeoverRow

DAYS_S = 86400.0
AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)
"""A `go_at` that is always over, even when the clock has been set back."""


def too_early(row: ChangeoverRow) -> Wait | None:
    """The wait until the pause may begin; None when it may begin now. A user's word comes as a tick."""
    if row.go_at is not None and row.go_at <= datetime.now(UTC):
        return None
    if row.go_at is not None:
        seconds = (row.go_at - datetime.now(UTC)).total_seconds()
        return Wait(max(seconds, 0.0), f"ready; the pause begins at {row.go_at:%Y-%m-%d %H:%M:%S} UTC")
    because = f"; the last attempt: {row.remark.splitlines()[0]}" if row.remark else ""
    return Wait(DAYS_S, f"ready; `changeover changeovers:cut-over {row.run_id}` begins the pause{because}")
