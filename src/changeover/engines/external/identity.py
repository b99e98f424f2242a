"""Identifies a server run by others, so that one database can't be adopted twice under two addresses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach


@dataclass(frozen=True)
class Identity:
    """`system_identifier` is None if not readable. A physical copy has the original's, but another start time."""

    system_identifier: str | None
    started_at: datetime
    address: str | None
    """The address that we connected to, as the server sees it. None over a unix socket."""
    port: int | None


async def identify(location: Location, *, connect_timeout_s: float = 10) -> Identity:
    """Connects once as the owner. Raises what `reach` raises."""
    async with reach(location, connect_timeout_s=connect_timeout_s) as connection:
        started_at, address, port = await fetch_row(
            connection, "SELECT pg_postmaster_start_time(), host(inet_server_addr()), inet_server_port()"
        )
        return Identity(await _system_identifier(connection), started_at, address, port)


async def _system_identifier(connection: Connection) -> str | None:
    try:
        (found,) = await fetch_row(connection, "SELECT system_identifier::text FROM pg_control_system()")
    except psycopg.Error:
        return None
    return str(found)
