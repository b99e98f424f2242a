"""A small server of our own, without the network: what the control plane keeps its state in."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from changeover.errors import ServerFailed, ServerUnreachable
from changeover.hosts.users import ensure_system_users, run_as_for_servers
from changeover.postgres.cluster import Cluster
from changeover.postgres.configuration import SettingValue
from changeover.postgres.connect import connect, fetch_row
from changeover.postgres.installations import newest_with_tls

SMALL: dict[str, SettingValue] = {"listen_addresses": "", "shared_buffers": "16MB", "max_connections": 20}


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Not made yet."""
    await ensure_system_users()
    home = Path(tempfile.mkdtemp(prefix="co-"))
    home.chmod(0o755)
    cluster = Cluster(
        bin_directory=newest_with_tls().bin_directory,
        data_directory=home / "data",
        socket_directory=home / "socket",
        log_directory=home / "log",
        port=5432,
        run_as=run_as_for_servers(),
    )
    yield cluster
    await cluster.kill()
    shutil.rmtree(home)


async def test_it_is_reached_over_its_socket_only(cluster: Cluster) -> None:
    await cluster.initialise(SMALL, listens=False)
    await cluster.start()
    async with connect(cluster.address) as connection:
        row = await fetch_row(
            connection, "SELECT current_user, inet_server_addr(), current_setting('listen_addresses')"
        )
    assert row == ("changeover", None, "")
    assert "host" not in (cluster.data_directory / "pg_hba.conf").read_text()


async def test_two_starters_at_once_start_one(cluster: Cluster) -> None:
    await cluster.initialise(SMALL, listens=False)
    await asyncio.gather(*(cluster.start() for _ in range(3)))
    assert len([one for one in cluster.processes() if "-D" in one.arguments]) == 1


async def test_a_shutdown_is_told_from_a_crash(cluster: Cluster) -> None:
    await cluster.initialise(SMALL, listens=False)
    await cluster.start()
    await cluster.stop()
    assert await cluster.was_shut_down()
    await cluster.start()
    await cluster.kill()
    assert not await cluster.was_shut_down()
    assert cluster.processes() == []


async def test_orphans_of_a_killed_postmaster_do_not_hinder_the_next(cluster: Cluster) -> None:
    await cluster.initialise(SMALL, listens=False)
    await cluster.start()
    postmaster = cluster.postmaster()
    assert postmaster is not None
    orphan = next(one for one in cluster.processes() if "checkpointer" in one.arguments[0])
    os.kill(orphan.pid, signal.SIGSTOP)
    os.kill(postmaster.pid, signal.SIGKILL)
    await cluster.start()
    assert orphan.pid not in [one.pid for one in cluster.processes()]


async def test_a_path_too_long_for_a_socket_is_refused_in_words(cluster: Cluster) -> None:
    await cluster.initialise(SMALL, listens=False)
    deep = replace(cluster, socket_directory=cluster.socket_directory / ("x" * 90))
    with pytest.raises(ServerFailed) as refused:
        await deep.start()
    assert "longer than 100 bytes" in refused.value.why


async def test_a_lost_connection_and_a_wrong_statement_are_different_things(cluster: Cluster) -> None:
    await cluster.initialise(SMALL, listens=False)
    with pytest.raises(ServerUnreachable):
        async with connect(cluster.address):
            pass
    await cluster.start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        async with connect(cluster.address, timeout_s=0.1) as connection:
            await connection.execute("SELECT pg_sleep(5)")

    async def killed_while_in_use() -> None:
        async with connect(cluster.address) as connection:
            await cluster.kill()
            await connection.execute("SELECT 1")

    with pytest.raises(ServerUnreachable):
        await killed_while_in_use()
