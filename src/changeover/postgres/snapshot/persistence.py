"""Unlogged partitioned tables. PostgreSQL 18 and newer refuse them, but an older pg_dump still writes UNLOGGED."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.archive import Entry

REFUSED_SINCE: Final = 180000
UNLOGGED, LOGGED = b"CREATE UNLOGGED TABLE ", b"CREATE TABLE "
TABLES: Final = "SELECT oid::bigint FROM pg_catalog.pg_class WHERE relkind = 'p' AND relpersistence = 'u'"


async def as_accepted(source: Connection, entries: Sequence[Entry], *, target_version: int) -> list[Entry]:
    """The entries in their order. A partitioned table holds no rows itself, so it loses nothing. Partitions stay unlogged."""
    if target_version < REFUSED_SINCE:
        return list(entries)
    tables = {oid for (oid,) in await (await source.execute(TABLES)).fetchall()}
    return [_logged(one) if one.kind == "TABLE" and one.toc.oid in tables else one for one in entries]


def _logged(entry: Entry) -> Entry:
    return replace(entry, text=entry.text.replace(UNLOGGED, LOGGED, 1))
