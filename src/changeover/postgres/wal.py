"""Counts the commits between two positions in the WAL: exactly in a short range, by sampling in a long one.

Only commits that wrote data count. Aborted transactions, subtransactions, and a VACUUM that takes a transaction id only
to lock the table that it truncates would make the number too high.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from changeover.postgres.connect import Connection, fetch_row

LONGEST_EXACT_BYTES = 256 * 1024 * 1024
WINDOWS = 32
WINDOW_BYTES = 4 * 1024 * 1024

COUNT_BY_KIND = """
SELECT coalesce(sum(count) FILTER (WHERE kind IN ('Transaction/COMMIT', 'Transaction/COMMIT_PREPARED')), 0)::bigint,
       coalesce(sum(count) FILTER (WHERE kind = 'Standby/LOCK'), 0)::bigint
  FROM public.pg_get_wal_stats(%(start)s, %(stop)s, true) AS stats (kind, count)
"""

# Six times slower than counting by kind, so only run when a lock shows that there may be such a transaction. A transaction
# that began before the range may have written there. If it has no lock of its own, it is still counted.
COUNT_UPKEEP = """
SELECT count(*)
  FROM (SELECT xid
          FROM public.pg_get_wal_records_info(%(start)s, %(stop)s)
         WHERE xid <> '0'
         GROUP BY xid
        HAVING bool_or(resource_manager = 'Transaction' AND record_type LIKE 'COMMIT%%' AND description !~ 'subxacts')
           AND bool_or(resource_manager = 'Standby' AND record_type = 'LOCK')
           AND bool_and(resource_manager IN ('Transaction', 'Standby', 'XLOG')
                     OR resource_manager = 'Storage' AND record_type = 'TRUNCATE'
                     OR resource_manager = 'Heap' AND record_type LIKE 'INPLACE%%'
                     OR resource_manager = 'Heap2' AND record_type !~ '^(MULTI_INSERT|LOCK_UPDATED|NEW_CID)')) AS upkeep
"""


@dataclass(frozen=True)
class CommitCount:
    """`is_exact` is False when only samples of a long range were read."""

    commits: int
    is_exact: bool


async def count_commits(
    connection: Connection, start: str, stop: str, *, longest_exact: int = LONGEST_EXACT_BYTES
) -> CommitCount | None:
    """Commits between two WAL positions of this server. None when the server no longer has that WAL or can't read it.

    Needs a connection to database `postgres`, and pg_walinspect (PostgreSQL 15 and newer, contrib).
    """
    first, last = position_number(start), position_number(stop)
    if last <= first:
        return CommitCount(0, is_exact=True)
    try:
        if last - first <= longest_exact:
            return CommitCount(await _count(connection, first, last), is_exact=True)
        return await _sample(connection, first, last)
    except (psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedFile):
        return None


async def _sample(connection: Connection, first: int, last: int) -> CommitCount:
    counted = covered = 0
    for start, stop in sample_windows(first, last):
        counted += await _count(connection, start, stop)
        covered += stop - start
    return CommitCount(round(counted * (last - first) / covered), is_exact=False)


def sample_windows(
    first: int, last: int, *, count: int = WINDOWS, size: int = WINDOW_BYTES
) -> Iterator[tuple[int, int]]:
    """Windows of `size` bytes, evenly distributed over the range, each in the middle of its share."""
    share = (last - first) / count
    size = min(size, int(share))
    for number in range(count):
        start = first + int(number * share + (share - size) / 2)
        yield start, start + size


async def _count(connection: Connection, start: int, stop: int) -> int:
    stretch = {"start": position_text(start), "stop": position_text(stop)}
    try:
        commits, locks = await fetch_row(connection, COUNT_BY_KIND, stretch)
        if locks:
            (upkeep,) = await fetch_row(connection, COUNT_UPKEEP, stretch)
            commits -= upkeep
    except psycopg.errors.InternalError_ as error:
        if "could not find a valid record after" not in str(error):
            raise
        return 0  # no record is completely in this range
    return int(commits)


def position_number(position: str) -> int:
    """A WAL position as bytes since the beginning of all WAL."""
    high, low = position.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def position_text(number: int) -> str:
    """The inverse, in PostgreSQL's notation."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"
