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
    """A follower's position. `replayed` is a WAL position, None before it has replayed anything."""

    is_in_recovery: bool
    replayed: str | None
    is_streaming: bool
    seconds_since_last_commit: float
    """Age of the last commit that it replayed; 0 if none."""


@dataclass(frozen=True)
class SlotState:
    """A physical slot, as its leader reports it."""

    is_lost: bool
    active_pid: int | None


async def slot_state(connection: Connection, slot: str) -> SlotState | None:
    """None if the slot does not exist."""
    found = await connection.execute(
        "SELECT wal_status = 'lost', active_pid FROM pg_replication_slots WHERE slot_name = %s", [slot]
    )
    row = await found.fetchone()
    return SlotState(bool(row[0]), row[1]) if row else None


async def reserve_slot(connection: Connection, slot: str) -> None:
    """A physical slot that keeps WAL from now on. A slot that lost its WAL is replaced; a valid one is kept."""
    state = await slot_state(connection, slot)
    if state and state.is_lost:
        await drop_slot(connection, slot)
    if state is None or state.is_lost:
        await connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", [slot])


async def drop_slot(connection: Connection, slot: str, *, timeout_s: float = 30) -> None:
    """Drop the slot and end the session that reads from it. Does nothing if it is gone. Raises ServerFailed."""
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
                    why=f"A follower keeps reading from it: {still}",
                    fix="Stop the follower that uses it, then try again.",
                ) from still
            await asyncio.sleep(0.02)


async def flushed_position(connection: Connection) -> str:
    """The position up to which the leader's WAL is flushed. On a follower with followers of its own: what it replayed."""
    (position,) = await fetch_row(
        connection,
        "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END::text",
    )
    return str(position)


async def follower_position(connection: Connection) -> FollowerPosition:
    """The follower's current position."""
    row = await fetch_row(
        connection,
        "SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()::text,"
        " EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'),"
        " coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::float",
    )
    return FollowerPosition(*row)


async def keeps_wal_since(connection: Connection, position: str) -> bool:
    """Whether the leader still has the WAL file that contains `position`, or that is next to be written."""
    return await fetch_row(
        connection,
        "SELECT coalesce(min(substr(name, 9)) <= substr(pg_walfile_name(%s::pg_lsn), 9), true)"
        " FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'",
        [position],
    ) == (True,)


async def write_end(connection: Connection, token: str) -> tuple[int, int, str]:
    """Write a marker and flush it. Returns the system identifier, the timeline, and the position behind the marker.

    The marker's synchronous commit flushes everything before it. Waiting for the insert position instead could take
    forever, because an idle database does not flush it.
    """
    await connection.execute("SET synchronous_commit = local")
    await connection.execute("SELECT pg_logical_emit_message(true, 'changeover', %s)", [token])
    (position,) = await fetch_row(connection, "SELECT pg_current_wal_flush_lsn()::text")
    identifier, timeline = await history(connection)
    return identifier, timeline, str(position)


async def history(connection: Connection) -> tuple[int, int]:
    """System identifier and timeline. Two servers share a history when both are equal.

    For a follower it is the timeline that it receives. Its control file has only that of the last restartpoint.
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
    """The timeline of a writable server. Raises psycopg's error for one in recovery."""
    return (await history(connection))[1]


async def has_replayed(connection: Connection, position: str) -> bool:
    """Whether the follower has replayed everything up to there, or is already a leader."""
    return await fetch_row(
        connection, "SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= %s::pg_lsn", [position]
    ) == (True,)


async def promote(address: Address, actor: Actor, *, timeout_s: float = 60) -> None:
    """Promote a follower permanently, and wait until it is writable. Does nothing if it already is.

    Raises RunConflict, ServerUnreachable, and ServerFailed when it takes too long.
    """
    async with acting(address, actor, timeout_s=timeout_s) as connection:
        await promote_by(connection, connection, timeout_s=timeout_s)


async def promote_by(connection: Connection, watching: Connection, *, timeout_s: float) -> None:
    """Like `promote`, over open connections."""
    if not await _is_in_recovery(connection):
        return
    # Waiting inside pg_promote sleeps for 100 ms at a time. Polling returns as soon as the work is done.
    await connection.execute("SELECT pg_promote(wait => false)")
    deadline = time.monotonic() + timeout_s
    while await _is_in_recovery(watching):
        if time.monotonic() > deadline:
            raise ServerFailed(
                "The follower was told to promote itself, but has not done so.",
                why=f"It is still in recovery after {timeout_s:.0f} seconds.",
                fix="See its log for what it waits for, then run the command again.",
            )
        await asyncio.sleep(0.001)


async def _is_in_recovery(connection: Connection) -> bool:
    return await fetch_row(connection, "SELECT pg_is_in_recovery()") == (True,)
