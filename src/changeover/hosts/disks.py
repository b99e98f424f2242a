"""Recognizes a full disk in any kind of failure and reports it: where, how much is free, what to do."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from changeover.errors import DiskFull

FULL = (errno.ENOSPC, errno.EDQUOT)
SQLSTATE = "53100"
SIGNS = ("No space left on device", "Disk quota exceeded")
NEARLY_FULL_BYTES = 8 * 1024 * 1024
"""PostgreSQL stops when it can't write its next WAL segments."""
NAMED = re.compile(r'"(/[^"]+)"[^"\n]*(?:No space left|quota exceeded)')


def disk_full(what: str, where: Path | None, *, said: str = "") -> DiskFull:
    """The error for a full disk. The free space is measured now, after the failed program has cleaned up."""
    place = next((folder for folder in (where, *where.parents) if folder.exists()), None) if where else None
    if place is None:
        why = f"The error was: {said}" if said else "No space was left on a disk of this host. `df -h` shows which."
    else:
        why = f"No space was left for {where}. Now {shutil.disk_usage(place).free} bytes are free on its disk."
    return DiskFull(what, why=why, fix="Free some space there, or choose a disk with more, then try again.")


def full_disk_behind(failure: BaseException, what: str, *, where: Path | None = None) -> DiskFull | None:
    """The full disk that caused the failure, or None. `where` is the path to report if the failure names none."""
    for one in _causes(failure):
        if isinstance(one, DiskFull):
            return one
        if isinstance(one, OSError) and one.errno in FULL:
            return disk_full(what, Path(str(one.filename)) if one.filename else where)
        if getattr(one, "sqlstate", None) == SQLSTATE:
            return disk_full(what, where, said=str(one).strip().partition("\n")[0])
    return None


def full_disk_in(said: str, what: str, *, where: Path | None = None) -> DiskFull | None:
    """Like `full_disk_behind`, for the output of a failed program."""
    if not any(sign in said for sign in SIGNS):
        return None
    named = NAMED.search(said)
    return disk_full(
        what,
        Path(named[1]) if named else where,
        said=next(line for line in said.splitlines() if any(s in line for s in SIGNS)),
    )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Adds the path to a failed write, whose error lacks it."""
    try:
        yield
    except OSError as failure:
        failure.filename = failure.filename or str(path)
        raise


def is_nearly_full(where: Path) -> bool:
    """Whether so little space is free that PostgreSQL can't continue."""
    try:
        return shutil.disk_usage(where).free < NEARLY_FULL_BYTES
    except FileNotFoundError:
        return False


def _causes(failure: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [failure]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, *(one.exceptions if isinstance(one, BaseExceptionGroup) else ())]
