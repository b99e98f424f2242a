"""Brings the access files of a server that an older version made to what this version wants."""

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
"""A start that is under way keeps the files to itself."""


async def renew(cluster: Cluster) -> None:
    """Only we may be its superuser, followers and poolers come in by passwords. Nothing to do where that is so.

    Includes the access file that waits behind a fence. Raises ServerUnreachable when a running server does not read it,
    or while another process starts it.
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
    """The files that are not as this version wants them, and what it wants."""
    behind_fence, access, identity = (
        _behind_fence(cluster), cluster.data_directory / "pg_hba.conf", cluster.data_directory / "pg_ident.conf",
    )  # fmt: skip
    wanted = {path: renewed(_text_of(path)) for path in (behind_fence, access) if path.exists()}
    wanted[identity] = identity_file(administrator())
    return {path: text for path, text in wanted.items() if _text_of(path) != text}


def _behind_fence(cluster: Cluster) -> Path:
    return cluster.data_directory / "pg_hba.conf.before"


def _text_of(path: Path) -> str:
    """As root, never what a link of the servers' user names: it would be written into a file of theirs."""
    return read_within(path.parent, path.name).decode()


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
