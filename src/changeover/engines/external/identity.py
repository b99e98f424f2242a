"""Who a server is that somebody else runs: so that one database is not adopted twice, by two addresses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach


@dataclass(frozen=True)
class Identity:
    """`system_identifier` None: not readable there. A physical copy has its original's, but not its start."""

    system_identifier: str | None
    started_at: datetime
    address: str | None
    """What the server itself calls the address we came to; None by a unix socket."""
    port: int | None


async def identify(location: Location, *, connect_timeout_s: float = 10) -> Identity:
    """One look by the owner's login, for who runs the server. Raises as `reach` does."""
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
