"""When a daily backup is due: at an hour in a time zone, including days on which clocks change. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from changeover.errors import InvalidParams


def checked_zone(name: str) -> str:
    """Raises InvalidParams."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # not found is a KeyError, a folder of the database an OSError
        raise InvalidParams(
            f"Unknown time zone: {name!r}.", fix="Write it as Europe/Berlin, America/New_York or UTC."
        ) from None
    return name


def checked_hour(text: str) -> int:
    """Raises InvalidParams."""
    if not re.fullmatch("[0-9]{1,2}", text) or int(text) > 23:
        raise InvalidParams(f"Invalid hour: {text!r}.", fix="Daily backups begin at a full hour, from 0 to 23.")
    return int(text)


def next_backup(hour: int, zone: str, after: datetime) -> datetime:
    """The first time after `after` at which it is that hour in the zone, in UTC. Once each day.

    An hour that is skipped in spring comes an hour later. Of an hour that occurs twice in autumn, the first counts.
    """
    there = ZoneInfo(zone)
    day = after.astimezone(there).date()
    while (due := datetime.combine(day, time(hour), there).astimezone(UTC)) <= after:
        day += timedelta(days=1)
    return due
