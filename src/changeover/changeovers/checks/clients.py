"""Samples the clients of the source by application, user and address. They must be switched to the target."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from changeover.postgres.connect import Connection, fetch_row

SAMPLE_EVERY_S = 0.25
# Addresses and backend types of other users' sessions may be hidden
_CLIENTS = """
SELECT coalesce(application_name, ''), coalesce(usename::text, ''), coalesce(host(client_addr), 'socket'),
       count(*), bool_or(query = '<insufficient privilege>')
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> ALL (%s) AND usename IS NOT NULL
   AND coalesce(backend_type, 'client backend') = 'client backend'
 GROUP BY 1, 2, 3"""
_COMMITS = "SELECT xact_commit, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = current_database()"


@dataclass(frozen=True)
class Client:
    """One kind of client. `address` is `socket` for the server's own host, and `hidden` if our login may not see it."""

    application: str
    user: str
    address: str
    most_at_once: int
    seen_in_percent: int
    """The share of samples with this client."""


@dataclass(frozen=True)
class ClientSample:
    clients: tuple[Client, ...] = ()
    sampled_s: float = 0
    is_hidden: bool = False
    """The server hides the application and address of some clients from us."""
    commits_per_s: float = 0
    rows_written_per_s: float = 0

    @property
    def most_at_once(self) -> int:
        return sum(client.most_at_once for client in self.clients)


async def sample_clients(connection: Connection, ours: Sequence[int], *, sample_s: float) -> ClientSample:
    """Sample for `sample_s`, at least once. `ours` are process ids to ignore."""
    began = time.monotonic()
    most: Counter[tuple[str, str, str]] = Counter()
    seen: Counter[tuple[str, str, str]] = Counter()
    samples, is_hidden = 0, False
    first = await fetch_row(connection, _COMMITS)
    while True:
        samples += 1
        for application, user, address, count, hides in await _sample(connection, ours):
            is_hidden = is_hidden or hides
            who = (application, user, "hidden" if hides else address)
            most[who] = max(most[who], count)
            seen[who] += 1
        left = began + sample_s - time.monotonic()
        if left <= 0:
            break
        await asyncio.sleep(min(left, SAMPLE_EVERY_S))
    last, passed = await fetch_row(connection, _COMMITS), max(time.monotonic() - began, 0.001)
    return ClientSample(
        tuple(Client(*who, most[who], round(100 * seen[who] / samples)) for who in sorted(most)),
        sample_s, is_hidden, max(0, last[0] - first[0] - samples) / passed, max(0, last[1] - first[1]) / passed,
    )  # fmt: skip


async def _sample(connection: Connection, ours: Sequence[int]) -> list[tuple[str, str, str, int, bool]]:
    return await (await connection.execute(_CLIENTS, [list(ours)])).fetchall()
