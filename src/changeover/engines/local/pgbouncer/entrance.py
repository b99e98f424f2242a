"""The server's side of a pooler: it must let poolers in by its socket, and it has the verifiers of those who come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from changeover.errors import ServerFailed, ServerUnreachable
from changeover.postgres.cluster import Cluster, write_file
from changeover.postgres.configuration import with_poolers
from changeover.postgres.connect import Address, connect, fetch_row
from changeover.postgres.roles import scram_verifiers

READ_WITHIN_S = 10.0


async def let_poolers_in(cluster: Cluster) -> None:
    """Servers that an older version made know nothing of poolers: their access file gets a line, once.

    Also the one that waits behind a fence. Raises ServerUnreachable when the server does not read it.
    """
    changed = False
    for name in ("pg_hba.conf.before", "pg_hba.conf"):
        path = cluster.data_directory / name
        if path.exists() and (text := path.read_text()) != (wanted := with_poolers(text)):
            write_file(path, wanted.encode(), run_as=cluster.run_as)
            changed = name == "pg_hba.conf"
    if changed:
        await _have_it_read(cluster)


async def _have_it_read(cluster: Cluster) -> None:
    deadline = time.monotonic() + READ_WITHIN_S
    before = await _read_at(cluster.address)
    cluster.reload()
    while await _read_at(cluster.address) == before:
        if time.monotonic() > deadline:
            raise ServerUnreachable(
                f"The server in {cluster.data_directory} does not read its configuration.",
                why=f"It was told to, {READ_WITHIN_S:.0f} seconds ago.",
                fix=f"Its log in {cluster.log_directory} says what is wrong with it.",
            )
        await asyncio.sleep(0.02)


async def _read_at(address: Address) -> object:
    """As a session sees it that begins now: when the postmaster read its configuration for the last time."""
    async with connect(address) as connection:
        return await fetch_row(connection, "SELECT pg_conf_load_time()")


async def verifiers_of(address: Address, roles: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The SCRAM verifiers of these roles. Raises ServerFailed for one that is missing or has none, ServerUnreachable."""
    async with connect(address) as connection:
        found = await scram_verifiers(connection, roles)
    if missing := [role for role in roles if role not in found]:
        raise ServerFailed(
            f"The role {missing[0]} can't be let through a pooler.",
            why=f"The server at {address} has no role of that name with a SCRAM password.",
            fix="Make the role, or give it a new password, then try again.",
        )
    return tuple((role, found[role]) for role in roles)
