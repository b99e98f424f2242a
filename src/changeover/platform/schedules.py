"""Schedules of jobs: from options to a cron expression, its next time, and a description. All times are UTC.

Pure: knows nothing of rows or clocks.
"""

from __future__ import annotations

import re
from datetime import datetime

from croniter import CroniterError, croniter

from changeover.errors import InvalidParams

EVERY = ("10m", "hourly", "daily")
WORDS = set("jan feb mar apr may jun jul aug sep oct nov dec sun mon tue wed thu fri sat l".split())
"""The words of plain cron. The library also accepts `H` and `R`, which are random."""
EXAMPLES = 'For example --every 10m, --every hourly --at :30, --every daily --at 04:00, or --cron "0 4 * * mon".'


def cron_of(*, every: str | None = None, at: str | None = None, cron: str | None = None) -> str:
    """Five fields, validated. Raises InvalidParams."""
    if (every is None) == (cron is None):
        raise InvalidParams("Set when the job runs with --every or --cron.", fix=EXAMPLES)
    if cron is not None:
        if at is not None:
            raise InvalidParams("--at can only be used with --every.", fix=EXAMPLES)
        return _checked(cron)
    if every not in EVERY:
        raise InvalidParams(
            f"Invalid value for --every: {every!r}.", why=f"The values are: {', '.join(EVERY)}.", fix=EXAMPLES
        )
    hour, minute = _time(every, at)
    return {"10m": "*/10 * * * *", "hourly": f"{minute} * * * *", "daily": f"{minute} {hour} * * *"}[every]


def next_time(cron: str, after: datetime) -> datetime:
    """The first time of the schedule after that one. Raises CroniterError for an invalid schedule."""
    found: datetime = croniter(cron, after).get_next(datetime)
    return found


def in_words(cron: str) -> str:
    """`every 10 minutes`, `hourly at :30`, `daily at 04:00 UTC`. Any other as its fields."""
    if cron == "*/10 * * * *":
        return "every 10 minutes"
    if hourly := re.fullmatch(r"(\d+) \* \* \* \*", cron):
        return f"hourly at :{int(hourly[1]):02}"
    if daily := re.fullmatch(r"(\d+) (\d+) \* \* \*", cron):
        return f"daily at {int(daily[2]):02}:{int(daily[1]):02} UTC"
    return f"{cron} (UTC)"


def _time(every: str, at: str | None) -> tuple[int, int]:
    """Hour and minute. The default is midnight, or the full hour."""
    if at is None:
        return 0, 0
    form = {"10m": None, "hourly": r":([0-9][0-9])", "daily": r"(?:([0-9][0-9]?):)([0-9][0-9])"}[every]
    found = re.fullmatch(form, at) if form else None
    hour, minute = ([0, 0, *map(int, found.groups())] if found else [24, 60])[-2:]
    if hour > 23 or minute > 59:
        raise InvalidParams(f"--at {at!r} can't be used with --every {every}.", fix=EXAMPLES)
    return hour, minute


def _checked(cron: str) -> str:
    fields = cron.split()
    unknown = [word for word in re.findall(r"[a-z]+", cron.lower()) if word not in WORDS]
    if len(fields) != 5 or unknown:
        why = f"{unknown[0]!r} is not allowed." if unknown else f"It has {len(fields)} fields, not 5."
        raise InvalidParams(
            f"Invalid schedule: {cron!r}.", why=why, fix=f"Minute, hour, day, month, weekday. {EXAMPLES}"
        )
    try:
        next_time(" ".join(fields), datetime.fromisoformat("2000-01-01T00:00Z"))
    except CroniterError as error:
        raise InvalidParams(f"Invalid schedule: {cron!r}.", why=f"{error}.", fix=EXAMPLES) from None
    return " ".join(fields)
