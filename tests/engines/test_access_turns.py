"""The access file of a server is replaced by one process at a time: open rules never overwrite a fence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from tests.engines.fix_host import Host

from changeover.engines.engine import Server
from changeover.errors import ServerUnreachable
from changeover.hosts.users import run_as_for_servers
from changeover.postgres import access
from changeover.postgres.cluster import Cluster, alone_with, write_file
from changeover.postgres.configuration import FORMERLY
from changeover.postgres.connect import connect
from changeover.postgres.fencing import fence, fence_file, lift, prepare

Act = Callable[[Cluster], Awaitable[object]]


def cluster_of(server: Server) -> Cluster:
    return Cluster(
        server.bin_directory, server.data_directory, server.socket_directory, server.data_directory.parent / "log",
        server.port, run_as=run_as_for_servers(),
    )  # fmt: skip


def write_access(cluster: Cluster, text: str) -> None:
    write_file(cluster.data_directory / "pg_hba.conf", text.encode(), run_as=cluster.run_as)


async def raise_fence(cluster: Cluster) -> None:
    async with connect(cluster.address) as connection:
        await fence(cluster, connection, mark="1", timeout_s=0.2)


ACTS: dict[str, Act] = {
    "fence": raise_fence,
    "prepare": lambda cluster: prepare(cluster, "1", timeout_s=0.2),
    "lift": lambda cluster: lift(cluster, timeout_s=0.2),
}


@pytest.mark.parametrize("name", ACTS)
async def test_nothing_replaces_an_access_file_while_another_process_does(host: Host, name: str) -> None:
    server = await host.new_server()
    cluster = cluster_of(server)
    access_file = cluster.data_directory / "pg_hba.conf"
    if name == "lift":
        write_access(cluster, fence_file("1"))
    before = access_file.read_text()

    async with alone_with(cluster.data_directory, time.monotonic() + 10):
        with pytest.raises(ServerUnreachable):
            await ACTS[name](cluster)

    assert access_file.read_text() == before
    assert not access_file.with_name("pg_hba.conf.before").exists()


async def test_a_fence_that_is_raised_while_rules_are_renewed_stays(host: Host) -> None:
    server = await host.new_server()
    cluster = cluster_of(server)
    access_file = cluster.data_directory / "pg_hba.conf"
    write_access(cluster, FORMERLY + "\n" + access_file.read_text())

    async with alone_with(cluster.data_directory, time.monotonic() + 10):
        renewing = asyncio.create_task(access.renew(cluster))
        done, _ = await asyncio.wait({renewing}, timeout=0.3)
        write_access(cluster, fence_file("1"))
    await renewing

    assert not done
    assert access_file.read_text() == fence_file("1")
