"""Who uses the source, seen over a while: by application, user and address. Whoever is listed must be pointed elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from changeover.postgres.connect import Connection, fetch_row

LOOK_EVERY_S = 0.25
# where sessions of others are hidden, so are their addresses and what kind of backend they are
_VISITORS = """
SELECT coalesce(application_name, ''), coalesce(usename::text, ''), coalesce(host(client_addr), 'socket'),
       count(*), bool_or(query = '<insufficient privilege>')
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> ALL (%s) AND usename IS NOT NULL
   AND coalesce(backend_type, 'client backend') = 'client backend'
 GROUP BY 1, 2, 3"""
_COMMITS = "SELECT xact_commit, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = current_database()"


@dataclass(frozen=True)
class Client:
    """One kind of client. `address` is `socket` for the server's own host, `hidden` where our login may not see it."""

    application: str
    user: str
    address: str
    most_at_once: int
    seen_in_percent: int
    """Of the looks at the server."""


@dataclass(frozen=True)
class Visitors:
    clients: tuple[Client, ...] = ()
    sampled_s: float = 0
    is_hidden: bool = False
    """Some were seen of which the server doesn't tell us application and address."""
    commits_per_s: float = 0
    rows_written_per_s: float = 0

    @property
    def most_at_once(self) -> int:
        return sum(client.most_at_once for client in self.clients)


async def watch(connection: Connection, ours: Sequence[int], *, sample_s: float) -> Visitors:
    """Look again and again for `sample_s`, at least once. `ours` are process ids that don't count."""
    began = time.monotonic()
    most: Counter[tuple[str, str, str]] = Counter()
    seen: Counter[tuple[str, str, str]] = Counter()
    looks, is_hidden = 0, False
    first = await fetch_row(connection, _COMMITS)
    while True:
        looks += 1
        for application, user, address, count, hides in await _look(connection, ours):
            is_hidden = is_hidden or hides
            who = (application, user, "hidden" if hides else address)
            most[who] = max(most[who], count)
            seen[who] += 1
        left = began + sample_s - time.monotonic()
        if left <= 0:
            break
        await asyncio.sleep(min(left, LOOK_EVERY_S))
    last, passed = await fetch_row(connection, _COMMITS), max(time.monotonic() - began, 0.001)
    return Visitors(
        tuple(Client(*who, most[who], round(100 * seen[who] / looks)) for who in sorted(most)),
        sample_s, is_hidden, max(0, last[0] - first[0] - looks) / passed, max(0, last[1] - first[1]) / passed,
    )  # fmt: skip


async def _look(connection: Connection, ours: Sequence[int]) -> list[tuple[str, str, str, int, bool]]:
    return await (await connection.execute(_VISITORS, [list(ours)])).fetchall()
