"""When a pause may begin, and what its user reads until then. Pure."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from changeover.changeovers.timing import AT_ONCE, DAYS_S, too_early
from changeover.store.changeover_rows import ChangeoverRow


def row(**given: Any) -> ChangeoverRow:
    """A row of which only these columns matter."""
    return ChangeoverRow(**{**{field.name: None for field in fields(ChangeoverRow)}, "run_id": 7, **given})


@pytest.mark.parametrize("go_at", [AT_ONCE, datetime.now(UTC) - timedelta(seconds=1)])
def test_a_pause_whose_time_has_come_may_begin(go_at: datetime) -> None:
    assert too_early(row(go_at=go_at)) is None


def test_a_pause_with_a_time_waits_until_then_and_says_when() -> None:
    wait = too_early(row(go_at=datetime.now(UTC) + timedelta(hours=1)))

    assert wait is not None
    assert 0 < wait.seconds <= 3600
    assert "the pause begins at 20" in wait.because


def test_a_pause_that_waits_for_a_user_names_the_command() -> None:
    wait = too_early(row(go_at=None))

    assert wait is not None
    assert (wait.seconds, wait.because) == (
        DAYS_S,
        "ready; `changeover changeovers:cut-over 7` begins the pause",
    )


def test_a_pause_that_was_given_up_says_why_on_one_line() -> None:
    wait = too_early(row(go_at=None, remark="It waits for an open transaction.\nAnd more."))

    assert wait is not None
    assert wait.because.endswith("begins the pause; the last attempt: It waits for an open transaction.")
