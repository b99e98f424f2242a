"""Upgrades a server's access files that an older version of changeover wrote."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from changeover.errors import ServerUnreachable
from changeover.hosts.ownership import read_within
from changeover.postgres.cluster import Cluster, administrator, alone_with, write_file
from changeover.postgres.configuration import identity_file, renewed
from changeover.postgres.connect import Address, connect, fetch_row

READ_WITHIN_S = 10.0
TURN_S = 60.0
"""How long to wait for the files while another process starts the server."""


async def renew(cluster: Cluster) -> None:
    """Make our system user the only superuser, and let followers and poolers in by password. Does nothing when up to date.

    Includes the original access file that is kept while a server is fenced. Raises ServerUnreachable when a running
    server does not reload it, or while another process starts the server.
    """
    if not cluster.is_initialised or not _outdated(cluster):
        return
    async with alone_with(cluster.data_directory, time.monotonic() + TURN_S):
        outdated = _outdated(cluster)
        for path, wanted in outdated.items():
            write_file(path, wanted.encode(), run_as=cluster.run_as)
    if outdated.keys() - {_behind_fence(cluster)} and cluster.postmaster() is not None:
        await _have_it_read(cluster)


def _outdated(cluster: Cluster) -> dict[Path, str]:
    """The outdated files and their new contents."""
    behind_fence, access, identity = (
        _behind_fence(cluster), cluster.data_directory / "pg_hba.conf", cluster.data_directory / "pg_ident.conf",
    )  # fmt: skip
    wanted = {path: renewed(_text_of(path)) for path in (behind_fence, access) if path.exists()}
    wanted[identity] = identity_file(administrator())
    return {path: text for path, text in wanted.items() if _text_of(path) != text}


def _behind_fence(cluster: Cluster) -> Path:
    return cluster.data_directory / "pg_hba.conf.before"


def _text_of(path: Path) -> str:
    """Reads as root, so it must not follow links made by the servers' user: the content is written to a file of theirs."""
    return read_within(path.parent, path.name).decode()


async def _have_it_read(cluster: Cluster) -> None:
    deadline = time.monotonic() + READ_WITHIN_S
    before = await _read_at(cluster.address)
    cluster.reload()
    while await _read_at(cluster.address) == before:
        if time.monotonic() > deadline:
            raise ServerUnreachable(
                f"The server in {cluster.data_directory} does not read its configuration.",
                why=f"It was told to reload it {READ_WITHIN_S:.0f} seconds ago.",
                fix=f"See its log in {cluster.log_directory}.",
            )
        await asyncio.sleep(0.02)


async def _read_at(address: Address) -> object:
    """When the postmaster last read its configuration, as seen by a new session."""
    async with connect(address) as connection:
        return await fetch_row(connection, "SELECT pg_conf_load_time()")
