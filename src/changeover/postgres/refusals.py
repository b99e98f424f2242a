"""Clients that a fence refused, from a server's logs. Each read continues where the previous one ended."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

REJECTED = "pg_hba.conf rejects connection"
PROBE = "changeover_probe"
"""The role we try to log in as, to check whether the fence stands."""
REFUSED = re.compile(
    r"^(?P<at>[0-9-]{10} [0-9:]{8}).*"
    + REJECTED
    + ' for host "(?P<host>[^"]*)", user "(?P<user>[^"]*)", database "(?P<database>[^"]*)"',
    re.MULTILINE,
)
LONGEST_LOOK = 4 * 2**20


@dataclass(frozen=True)
class Refusal:
    """A client that tried to log in to a fenced server: how often, first and last time."""

    user: str
    database: str
    host: str
    times: int
    first_at: datetime
    last_at: datetime

    def __str__(self) -> str:
        times = "once" if self.times == 1 else f"{self.times} times, first at {self.first_at:%Y-%m-%d %H:%M:%S}"
        return f"{self.user} from {self.host} to {self.database}, {times}, last at {self.last_at:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True)
class Refusals:
    """`read_until`: FILE:BYTES, for the next read. Empty when there is no log."""

    those: tuple[Refusal, ...]
    read_until: str


def refusals_since(folder: Path, read_until: str) -> Refusals:
    """All refusals since then, as far as logs are kept. If `read_until` is empty, reads the newest log.

    Reads at most 4 MB. The next call continues from there.
    """
    logs = sorted(folder.glob("postgresql-*.log"))
    name, _, offset = read_until.rpartition(":")
    start = int(offset or 0)
    texts, left = [], LONGEST_LOOK
    for log in logs if name else logs[-1:]:
        if log.name < name or left <= 0:
            continue
        text, end = _whole_lines(log, start if log.name == name else 0, left)
        texts.append(text)
        left -= len(text)
        read_until = f"{log.name}:{end}"
    return Refusals(tuple(merged(one for text in texts for one in _refused_in(text))), read_until)


def merged(refusals: Iterable[Refusal]) -> list[Refusal]:
    """One for each client, the most frequent first."""
    known: dict[tuple[str, str, str], Refusal] = {}
    for one in refusals:
        who = (one.user, one.database, one.host)
        former = known.get(who, one)
        times = one.times + (former.times if former is not one else 0)
        known[who] = Refusal(*who, times, min(former.first_at, one.first_at), max(former.last_at, one.last_at))
    return sorted(known.values(), key=lambda one: -one.times)


def _refused_in(text: str) -> Iterable[Refusal]:
    """Skips our own login attempts."""
    for found in REFUSED.finditer(text):
        if found["user"] != PROBE:
            at = datetime.fromisoformat(found["at"]).replace(tzinfo=UTC)
            yield Refusal(found["user"], found["database"], found["host"], 1, at, at)


def _whole_lines(log: Path, start: int, most: int) -> tuple[str, int]:
    """From `start` to the last line end, and that position. An incomplete last line is left for the next read."""
    with log.open("rb") as file:
        file.seek(min(start, os.fstat(file.fileno()).st_size))
        begins = file.tell()
        read = file.read(most)
    whole = read[: read.rfind(b"\n") + 1] or read[:most] * (len(read) == most)  # a line longer than `most`
    return whole.decode(errors="replace"), begins + len(whole)
