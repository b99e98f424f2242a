"""Which backups are kept, by the plan of their database. Pure, except for reading the data file beside this one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources

from changeover.store.transfer_rows import TransferRow

DEFAULT_TIER = "standard"
"""Used when the database is gone, so that its backups stay as long as most."""


@dataclass(frozen=True)
class Keeping:
    """`manual`: how many manual backups. For scheduled ones: how many days, weeks and months, with the newest of each."""

    manual: int
    days: int
    weeks: int
    months: int


@cache
def keeping_of(tier: str) -> Keeping:
    tiers = json.loads(resources.files(__package__).joinpath("retention.json").read_text())["tiers"]
    return Keeping(**tiers.get(tier, tiers[DEFAULT_TIER]))


def surplus(backups: Sequence[TransferRow], keeping: Keeping, *, is_scheduled: bool) -> list[TransferRow]:
    """The backups to remove, from those of one database or schedule, given newest first. The newest is never removed."""
    if not is_scheduled:
        return list(backups[keeping.manual :])
    kept = {
        one.id
        for most, period in ((keeping.days, _day), (keeping.weeks, _week), (keeping.months, _month))
        for one in _newest_of_each(backups, period, most)
    }
    return [one for one in backups[1:] if one.id not in kept]


def _newest_of_each(
    backups: Iterable[TransferRow], period: Callable[[datetime], object], most: int
) -> Iterable[TransferRow]:
    newest: dict[object, TransferRow] = {}
    for one in backups:
        newest.setdefault(period(one.created_at), one)
    return list(newest.values())[:most]


def _day(at: datetime) -> object:
    return at.date()


def _week(at: datetime) -> object:
    return at.isocalendar()[:2]


def _month(at: datetime) -> object:
    return (at.year, at.month)
