"""Servers as processes: made, adopted, stopped, killed, destroyed, and never mistaken for somebody else's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import psutil
import pytest
from tests.engines.fix_host import SMALL, Host, ask

from changeover.engines.engine import Server
from changeover.errors import InstallationGone, PortTaken, ServerFailed


def postmaster_of(server: Server) -> int:
    return int((server.data_directory / "postmaster.pid").read_text().split()[0])


def works_in(server: Server) -> list[int]:
    """Every process that works in the server's data directory."""
    home = str(server.data_directory)
    return [process.pid for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == home]


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that isn't ours to touch."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


async def test_a_server_is_made_stopped_started_and_removed_without_a_trace(each_host: Host) -> None:
    server = await each_host.new_server()
    assert (await each_host.engine.health(server)).state == "available"

    await each_host.engine.stop(server)
    assert await each_host.engine.health(server) == _stopped()
    await each_host.engine.start(server)
    await each_host.engine.destroy(server)

    assert works_in(server) == []
    assert not server.data_directory.parent.exists()
    assert not server.socket_directory.exists()


def _stopped() -> object:
    from changeover.engines.engine import Health

    return Health("stopped", because="It was shut down.")


async def test_servers_have_what_cannot_be_added_later(each_host: Host) -> None:
    server = await each_host.new_server()
    names = (
        "data_checksums",
        "wal_level",
        "wal_log_hints",
        "max_replication_slots",
        "max_wal_senders",
        "server_encoding",
    )
    rows = [(await ask(server, f"SHOW {name}"))[0][0] for name in names]
    assert rows == ["on", "logical", "on", "20", "20", "UTF8"]


async def test_each_verb_may_be_repeated(host: Host) -> None:
    server = await host.new_server()
    pid = postmaster_of(server)
    await host.engine.create(server, SMALL)
    await host.engine.start(server)
    assert postmaster_of(server) == pid
    for _ in range(2):
        await host.engine.stop(server)
    for _ in range(2):
        await host.engine.destroy(server)


async def test_a_restarted_control_plane_adopts_the_running_server(host: Host, leader: Server) -> None:
    pid = postmaster_of(leader)
    successor = host.engine_at(host.home)
    await successor.start(leader)
    assert postmaster_of(leader) == pid
    assert (await successor.health(leader)).state == "available"


async def test_a_killed_postmaster_is_seen_and_started_again(host: Host) -> None:
    server = await host.new_server()
    await ask(server, "CREATE TABLE public.kept AS SELECT 1")
    os.kill(postmaster_of(server), signal.SIGKILL)

    health = await host.engine.health(server)
    await host.engine.start(server)

    assert (health.state, "without a shutdown" in health.because) == ("failed", True)
    assert await ask(server, "SELECT count(*) FROM public.kept") == [(1,)]


async def test_a_stranger_with_the_pid_of_the_file_is_left_alone(host: Host, stranger: subprocess.Popen[bytes]) -> None:
    server = await host.new_server()
    await host.engine.stop(server)
    (server.data_directory / "postmaster.pid").write_text(f"{stranger.pid}\n{server.data_directory}\n")

    assert (await host.engine.health(server)).state == "stopped"
    await host.engine.start(server)
    await host.engine.stop(server)
    (server.data_directory / "postmaster.pid").write_text(f"{stranger.pid}\n{server.data_directory}\n")
    await host.engine.destroy(server)

    assert stranger.poll() is None


async def test_a_port_that_a_stranger_took_is_named_as_the_reason(host: Host) -> None:
    server = await host.new_server()
    await host.engine.stop(server)
    with (
        socket.create_server((server.address, server.port)),
        pytest.raises(PortTaken, match="did not start") as refused,
    ):
        await host.engine.start(server)
    assert str(server.port) in refused.value.why
    await host.engine.start(server)


async def test_a_server_whose_postgresql_is_gone_says_so(host: Host) -> None:
    server = await host.new_server()
    await host.engine.stop(server)
    elsewhere = Server(**{**vars(server), "bin_directory": host.home / "gone" / "bin"})
    with pytest.raises(InstallationGone, match="no longer installed"):
        await host.engine.start(elsewhere)
    assert (await host.engine.health(elsewhere)).state == "failed"


async def test_a_broken_configuration_is_quoted(host: Host) -> None:
    server = await host.new_server()
    await host.engine.stop(server)
    with (server.data_directory / "postgresql.conf").open("a") as settings:
        settings.write("shared_buffers = 'many'\n")
    with pytest.raises(ServerFailed) as failed:
        await host.engine.start(server)
    assert 'invalid value for parameter "shared_buffers"' in failed.value.why


async def test_half_a_server_can_be_finished_or_removed(host: Host) -> None:
    server = host.plan()
    making = server.data_directory.with_name("data.making")
    making.mkdir(parents=True)
    (making / "PG_VERSION").write_text("15")
    assert (await host.engine.health(server)).state == "failed"

    await host.engine.create(server, SMALL)
    assert (await host.engine.health(server)).state == "available"


async def test_a_server_of_another_home_is_never_removed(host: Host, leader: Server) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        await host.engine_at(host.home / "other").destroy(leader)


def test_planned_servers_differ_in_their_ports_and_touch_nothing(host: Host) -> None:
    first, second = host.plan(), host.plan()
    assert first.port != second.port
    assert {20000 <= server.port < 30000 for server in (first, second)} == {True}
    assert not first.data_directory.exists()
