"""Physical replication: slots on the leader, positions on both sides, promotion."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import psycopg

from changeover.errors import ServerFailed
from changeover.postgres import ending
from changeover.postgres.acting import Actor, acting
from changeover.postgres.connect import Address, Connection, fetch_row


@dataclass(frozen=True)
class FollowerPosition:
    """Where a follower is. `replayed` is a WAL position, None before it has replayed anything."""

    is_in_recovery: bool
    replayed: str | None
    is_streaming: bool
    seconds_since_last_commit: float
    """Age of the youngest commit that it has replayed; 0 when it has seen none."""


@dataclass(frozen=True)
class SlotState:
    """A physical slot as its leader sees it."""

    is_lost: bool
    active_pid: int | None


async def slot_state(connection: Connection, slot: str) -> SlotState | None:
    """None when there is no such slot."""
    found = await connection.execute(
        "SELECT wal_status = 'lost', active_pid FROM pg_replication_slots WHERE slot_name = %s", [slot]
    )
    row = await found.fetchone()
    return SlotState(bool(row[0]), row[1]) if row else None


async def reserve_slot(connection: Connection, slot: str) -> None:
    """A physical slot that keeps WAL from now on. One that has lost its WAL is replaced, a good one is left alone."""
    state = await slot_state(connection, slot)
    if state and state.is_lost:
        await drop_slot(connection, slot)
    if state is None or state.is_lost:
        await connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", [slot])


async def drop_slot(connection: Connection, slot: str, *, timeout_s: float = 30) -> None:
    """Remove the slot and end whoever reads from it; nothing to do when it is gone. Raises ServerFailed."""
    deadline = time.monotonic() + timeout_s
    while state := await slot_state(connection, slot):
        if state.active_pid:
            await ending.end(connection, await ending.readers_of(connection, slot))
        try:
            await connection.execute("SELECT pg_drop_replication_slot(%s)", [slot])
        except psycopg.errors.UndefinedObject:
            return
        except psycopg.errors.ObjectInUse as still:
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"The replication slot {slot} cannot be dropped.",
                    why=f"Somebody reads from it again and again: {still}",
                    fix="Stop the follower that uses it, then try again.",
                ) from still
            await asyncio.sleep(0.02)


async def flushed_position(connection: Connection) -> str:
    """How far the leader's WAL is safely on its disk. On a follower that leads others: what it has replayed."""
    (position,) = await fetch_row(
        connection,
        "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END::text",
    )
    return str(position)


async def follower_position(connection: Connection) -> FollowerPosition:
    """One look at the follower."""
    row = await fetch_row(
        connection,
        "SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()::text,"
        " EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'),"
        " coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::float",
    )
    return FollowerPosition(*row)


async def keeps_wal_since(connection: Connection, position: str) -> bool:
    """The leader still has the WAL file that `position` lies in, or the next one to be written."""
    return await fetch_row(
        connection,
        "SELECT coalesce(min(substr(name, 9)) <= substr(pg_walfile_name(%s::pg_lsn), 9), true)"
        " FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'",
        [position],
    ) == (True,)


async def write_end(connection: Connection, token: str) -> tuple[int, int, str]:
    """Write a marker and flush it: system identifier, timeline, and the position behind it.

    The marker's synchronous commit brings everything before it to disk. Waiting for the position where WAL is inserted
    would wait for what nobody flushes while the database is idle.
    """
    await connection.execute("SET synchronous_commit = local")
    await connection.execute("SELECT pg_logical_emit_message(true, 'changeover', %s)", [token])
    (position,) = await fetch_row(connection, "SELECT pg_current_wal_flush_lsn()::text")
    identifier, timeline = await history(connection)
    return identifier, timeline, str(position)


async def history(connection: Connection) -> tuple[int, int]:
    """System identifier and timeline: two servers are of one history when both are equal.

    A follower's is the one that it receives; the control file knows only that of its last restartpoint.
    """
    row = await fetch_row(
        connection,
        "SELECT system_identifier, CASE WHEN pg_is_in_recovery()"
        " THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver),"
        " (SELECT timeline_id FROM pg_control_checkpoint()))"
        " ELSE ('x' || substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8))::bit(32)::int END"
        " FROM pg_control_system()",
    )
    return int(row[0]), int(row[1])


async def leader_timeline(connection: Connection) -> int:
    """Of a server that is writable. Raises psycopg's error for one in recovery."""
    return (await history(connection))[1]


async def has_replayed(connection: Connection, position: str) -> bool:
    """The follower shows everything up to there, or is a leader already."""
    return await fetch_row(
        connection, "SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= %s::pg_lsn", [position]
    ) == (True,)


async def promote(address: Address, actor: Actor, *, timeout_s: float = 60) -> None:
    """Make a follower writable for ever; returns once it is. Nothing to do when it already is.

    Raises RunConflict, ServerUnreachable; ServerFailed when it is not done in time.
    """
    async with acting(address, actor, timeout_s=timeout_s) as connection:
        await promote_by(connection, connection, timeout_s=timeout_s)


async def promote_by(connection: Connection, watching: Connection, *, timeout_s: float) -> None:
    """As `promote`, by connections that are open already."""
    if not await _is_in_recovery(connection):
        return
    # Waiting inside pg_promote sleeps on a latch of 100 ms; asking again and again takes as long as the work.
    await connection.execute("SELECT pg_promote(wait => false)")
    deadline = time.monotonic() + timeout_s
    while await _is_in_recovery(watching):
        if time.monotonic() > deadline:
            raise ServerFailed(
                "The follower was told to promote itself, but has not done so.",
                why=f"It is still in recovery after {timeout_s:.0f} seconds.",
                fix="Its log says what it waits for; then repeat the command.",
            )
        await asyncio.sleep(0.001)


async def _is_in_recovery(connection: Connection) -> bool:
    return await fetch_row(connection, "SELECT pg_is_in_recovery()") == (True,)
