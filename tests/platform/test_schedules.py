"""Schedules: from what a person asks for to cron, to the next time, to words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from changeover.errors import InvalidParams
from changeover.platform.schedules import cron_of, in_words, next_time

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("every", "at", "cron", "words"),
    [
        ("10m", None, "*/10 * * * *", "every 10 minutes"),
        ("hourly", None, "0 * * * *", "hourly at :00"),
        ("hourly", ":05", "5 * * * *", "hourly at :05"),
        ("daily", None, "0 0 * * *", "daily at 00:00 UTC"),
        ("daily", "4:30", "30 4 * * *", "daily at 04:30 UTC"),
    ],
)
def test_how_often_and_when_become_cron_and_words_again(every: str, at: str | None, cron: str, words: str) -> None:
    assert cron_of(every=every, at=at) == cron
    assert in_words(cron) == words


def test_a_cron_expression_is_taken_as_it_is_and_said_to_be_utc() -> None:
    assert cron_of(cron=" 0  4 * *   mon,THU ") == "0 4 * * mon,THU"
    assert in_words("0 4 * * mon") == "0 4 * * mon (UTC)"


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("*/10 * * * *", "2026-03-01T12:10"),
        ("0 12 * * *", "2026-03-02T12:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 4 * * mon", "2026-03-02T04:00"),
    ],
)
def test_the_next_time_is_after_now_and_never_now(cron: str, expected: str) -> None:
    assert next_time(cron, NOON) == datetime.fromisoformat(f"{expected}Z")


@pytest.mark.parametrize(
    "wish",
    [
        {}, {"every": "10m", "cron": "* * * * *"}, {"cron": "* * * * *", "at": ":10"}, {"every": "weekly"},
        {"every": "10m", "at": ":05"}, {"every": "hourly", "at": "4:30"}, {"every": "hourly", "at": ":60"},
        {"every": "daily", "at": ":30"}, {"every": "daily", "at": "24:00"}, {"every": "daily", "at": "4pm"},
        {"cron": ""}, {"cron": "* * * *"}, {"cron": "* * * * * *"}, {"cron": "@daily"}, {"cron": "61 * * * *"},
        {"cron": "0 0 30 2 *"}, {"cron": "H * * * *"}, {"cron": "R * * * *"}, {"cron": "*/0 * * * *"},
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_refused_with_an_example(wish: dict[str, str]) -> None:
    with pytest.raises(InvalidParams) as refused:
        cron_of(**wish)

    assert "--every" in refused.value.message
