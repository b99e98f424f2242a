"""Holds the snapshot that everything is read at: a session that exported it, and what identifies its moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import psycopg
from psycopg import sql

from changeover.errors.elsewhere import CheckFailed, TransferFailed
from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.location import Location
from changeover.postgres.snapshot.sessions import one_line, reading_control

BEAT_S: Final = 5
LOCKS_AT_ONCE: Final = 200
MOMENT: Final = """
SELECT CASE WHEN has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
            THEN (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) END,
       CASE WHEN NOT pg_is_in_recovery()
            THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
       txid_current_snapshot()::text,
       txid_snapshot_xmin(txid_current_snapshot()) = txid_snapshot_xmax(txid_current_snapshot())
"""


@dataclass(frozen=True)
class Moment:
    """A state of a server. If two are equal and both quiet, nothing was committed in between, in any database."""

    system: str | None
    """The system identifier. None if it may not be read; then nothing can be proven."""
    timeline: str | None
    transactions: str
    is_quiet: bool
    """Whether no writing transaction was in progress."""
    is_durable: bool
    """Whether all that the snapshot sees was flushed. Otherwise a crash could roll back transaction ids and reuse them."""

    def is_still(self, before: Moment) -> bool:
        """Whether nothing changed since. Proven by identity, timeline and transaction ids; unknown values prove nothing."""
        known = self.system is not None and self.timeline is not None and self.is_quiet and before.is_durable
        return known and self == replace(before, is_durable=self.is_durable)

    def is_of_server_of(self, before: Moment) -> bool:
        """Whether it is the same server on the same timeline, as far as this can be read."""
        return (self.system, self.timeline) == (before.system, before.timeline)

    def as_facts(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Holder:
    """`snapshot` can be imported as long as `connection` is open."""

    connection: Connection
    snapshot: str
    moment: Moment
    busy: asyncio.Lock

    def is_noted(self, noted: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether a ledger's moment is this one. The snapshot's name proves nothing: names are reused after a restart."""
        if not noted or noted["holder"] != {"snapshot": self.snapshot}:
            return False
        return Moment(**noted["snapshot"]) == replace(self.moment, is_durable=noted["snapshot"]["is_durable"])

    async def lock(self, tables: Sequence[tuple[str, str]]) -> None:
        """Prevent the tables (schema, name) from being dropped or changed until the end. Raises TransferFailed."""
        async with self.busy:
            await self.connection.execute("SET LOCAL lock_timeout = '60s'")
            for start in range(0, len(tables), LOCKS_AT_ONCE):
                some = tables[start : start + LOCKS_AT_ONCE]
                names = sql.SQL(", ").join(sql.SQL("ONLY ") + sql.Identifier(*name) for name in some)
                try:
                    await self.connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))
                except psycopg.errors.LockNotAvailable as held:
                    raise _locked(held) from held

    async def beat(self) -> None:
        """Runs until it fails: then the session and its snapshot are gone."""
        while True:
            async with self.busy:
                await self.connection.execute("SELECT 1")
            await asyncio.sleep(BEAT_S)


@asynccontextmanager
async def holding(location: Location, name: str) -> AsyncIterator[Holder]:
    """A new snapshot, held until the block ends. Raises what `reach` raises, and CheckFailed if none can be exported."""
    async with reading_control(location, name) as connection:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        try:
            (snapshot,) = await fetch_row(connection, "SELECT pg_catalog.pg_export_snapshot()")
        except psycopg.errors.DatabaseError as refused:
            if isinstance(refused, psycopg.OperationalError):
                raise
            raise CheckFailed(
                f"No snapshot can be exported on {location}.", why=one_line(refused), fix="Use the primary's address."
            ) from refused
        system, timeline, transactions, is_quiet = await fetch_row(connection, MOMENT)
        moment = Moment(system, timeline, transactions, is_quiet, await _is_durable(connection))
        yield Holder(connection, snapshot, moment, asyncio.Lock())


async def _is_durable(connection: Connection) -> bool:
    """Asynchronous commits are flushed within three times wal_writer_delay, which is 0.6 s by default."""
    (is_standby,) = await fetch_row(connection, "SELECT pg_is_in_recovery()")
    if is_standby:
        return False
    (seen,) = await fetch_row(connection, "SELECT pg_current_wal_insert_lsn()::text")
    for _ in range(20):
        (is_flushed,) = await fetch_row(connection, "SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn", [seen])
        if is_flushed:
            return True
        await asyncio.sleep(0.05)
    return False


def _locked(held: Exception) -> TransferFailed:
    return TransferFailed(
        "A table of the source is locked by another session.",
        why=f"It could not be read for a minute: {one_line(held)}",
        fix="Wait for the ALTER, TRUNCATE or VACUUM FULL to end (see pg_stat_activity), then resume.",
    )
