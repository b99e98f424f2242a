"""Brings the access files of a server that an older version made to what this version wants."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from changeover.errors import ServerUnreachable
from changeover.hosts.ownership import read_within
from changeover.postgres.cluster import Cluster, administrator, write_file
from changeover.postgres.configuration import identity_file, renewed
from changeover.postgres.connect import Address, connect, fetch_row

READ_WITHIN_S = 10.0


async def renew(cluster: Cluster) -> None:
    """Only we may be its superuser, followers and poolers come in by passwords. Nothing to do where that is so.

    Includes the access file that waits behind a fence. Raises ServerUnreachable when a running server does not read it.
    """
    folder = cluster.data_directory
    if not cluster.is_initialised:
        return
    _renew_file(cluster, folder / "pg_hba.conf.before")
    is_new = _renew_file(cluster, folder / "pg_hba.conf")
    identity = folder / "pg_ident.conf"
    if identity.read_text() != (wanted := identity_file(administrator())):
        write_file(identity, wanted.encode(), run_as=cluster.run_as)
        is_new = True
    if is_new and cluster.postmaster() is not None:
        await _have_it_read(cluster)


def _renew_file(cluster: Cluster, path: Path) -> bool:
    """Whether it was replaced. A fence that is raised or lifted meanwhile wins: the file is looked at once more."""
    if not path.exists() or (text := _text_of(path)) == (wanted := renewed(text)):
        return False
    ready = path.with_name(path.name + ".renewed")
    write_file(ready, wanted.encode(), run_as=cluster.run_as)
    if _text_of(path) != text:
        ready.unlink()
        return False
    ready.replace(path)
    return True


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
