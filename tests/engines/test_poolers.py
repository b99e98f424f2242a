"""Poolers: made, reached by clients, killed and started again, adopted, removed; and who is refused."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import ssl
import stat
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from tests.engines.fix_host import Database, Host, ask, until
from tests.engines.fix_poolers import (
    MOST,
    Pooled,
    copied_program,
    planned,
    poolers_of,
    processes_of,
    scalar,
)
from tests.fix_poolers import needs_pgbouncer

from changeover.engines.engine import Server
from changeover.engines.pooler import Poolers
from changeover.errors import PortTaken, ServerFailed, ServerUnreachable, ToolMissing
from changeover.hosts.users import run_as_for_servers

pytestmark = needs_pgbouncer


@pytest.fixture
async def pooled(host: Host, database: Database) -> AsyncIterator[Pooled]:
    """A running pooler of its own for each test."""
    made = planned(host, database)
    await made.start()
    yield made
    await made.remove()


async def test_a_client_comes_through_with_its_own_role_and_tls(pooled: Pooled) -> None:
    client = await pooled.connect()
    assert await scalar(client, "SELECT current_user") == pooled.database.owner.user
    assert await scalar(client, "SELECT inet_server_addr()") is None  # by the server's socket
    await client.close()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"sslmode": "disable", "sslrootcert": ""}, "SSL required"),
        ({"password": "wrong"}, "SASL authentication failed"),
        ({"user": "nobody"}, "SASL authentication failed"),
        ({"user": "changeover", "dbname": "postgres"}, "failed|no such database"),
        ({"user": "root", "dbname": "pgbouncer", "password": ""}, "login rejected|no password"),
    ],
)
async def test_who_is_refused(pooled: Pooled, changed: dict[str, object], says: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=says):
        await pooled.connect(**changed)


async def test_a_hundred_clients_share_few_connections_to_the_server(pooled: Pooled) -> None:
    async with pooled.clients(100) as clients:
        await asyncio.gather(*(scalar(one, "SELECT pg_sleep(0.01)") for one in clients))
        count = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{pooled.database.owner.user}'"
        [(used,)] = await ask(pooled.database.server, count)
        async with pooled.poolers.console(pooled.pooler) as console:
            load = await console.load()
    assert 1 <= int(used) <= MOST
    assert (load.clients, load.waiting, load.is_paused) == (100, 0, False)


async def test_a_killed_pooler_comes_back_where_it_was(pooled: Pooled) -> None:
    for pid in processes_of(pooled.pooler):
        os.kill(pid, signal.SIGKILL)

    async def is_down() -> bool:
        return (await pooled.poolers.health(pooled.pooler)).state == "failed"

    await until(is_down)
    await pooled.poolers.start(pooled.pooler)
    client = await pooled.connect()  # nobody has logged in to this process before
    assert await scalar(client, "SELECT 1") == 1
    await client.close()


async def test_another_control_plane_adopts_the_running_one(pooled: Pooled) -> None:
    before = processes_of(pooled.pooler)
    client = await pooled.connect()
    other = poolers_of(pooled.host)
    await asyncio.gather(*(other.start(pooled.pooler) for _ in range(3)))
    assert (processes_of(pooled.pooler), len(before)) == (before, 1)
    assert await scalar(client, "SELECT 1") == 1
    await client.close()


async def test_two_that_start_it_at_once_start_one(host: Host, database: Database) -> None:
    made = planned(host, database)
    route = await made.route()
    await asyncio.gather(*(poolers_of(host).start(made.pooler, route) for _ in range(3)))
    running = processes_of(made.pooler)
    await made.remove()
    assert len(running) == 1


async def test_stopped_it_is_gone_and_destroyed_nothing_is_left(host: Host, database: Database) -> None:
    made = planned(host, database)
    await made.start()
    await made.poolers.stop(made.pooler)
    await made.poolers.stop(made.pooler)
    stopped = processes_of(made.pooler)
    await made.start()
    await made.remove()
    await made.remove()
    assert (stopped, processes_of(made.pooler)) == ([], [])
    assert [folder.exists() for folder in (made.pooler.folder, made.pooler.socket_directory)] == [False, False]
    assert (await made.poolers.health(made.pooler)).state == "stopped"
    with pytest.raises(ServerFailed, match="can't be started"):
        await made.poolers.start(made.pooler)
    await made.remove()


async def test_a_taken_port_is_named_and_nothing_runs(host: Host, database: Database) -> None:
    made = planned(host, database)
    with socket.create_server((made.pooler.address, made.pooler.port)), pytest.raises(PortTaken) as taken:
        await made.start()
    assert str(made.pooler.port) in taken.value.what
    assert processes_of(made.pooler) == []
    await made.remove()


async def test_a_port_is_planned_outside_of_those_that_are_taken(host: Host, database: Database) -> None:
    first = planned(host, database).pooler
    name = f"p{secrets.token_hex(4)}"
    second = poolers_of(host).plan_pooler(name, address="127.0.0.1", taken_ports=frozenset({first.port}))
    assert first.port != second.port
    assert 30000 <= second.port < 32768


async def test_without_the_program_it_says_how_to_get_it(host: Host, tmp_path: Path) -> None:
    poolers = poolers_of(host, program=tmp_path / "pgbouncer")
    with pytest.raises(ToolMissing) as missing:
        poolers.plan_pooler("p1", address="127.0.0.1", taken_ports=frozenset())
    assert "apt-get install pgbouncer" in missing.value.fix


async def test_a_program_that_is_something_else_is_refused(host: Host) -> None:
    with pytest.raises(ToolMissing, match="not a PgBouncer"):
        poolers_of(host, program=Path("/bin/true")).facts()


async def test_another_build_can_be_named(host: Host, database: Database) -> None:
    folder = host.home / "build"
    folder.mkdir(exist_ok=True)
    made = planned(host, database)
    made.poolers = poolers_of(host, program=copied_program(folder))
    await made.start()
    client = await made.connect()
    assert await scalar(client, "SELECT 1") == 1
    await client.close()
    await made.remove()


async def test_a_role_that_is_missing_is_named(host: Host, database: Database) -> None:
    with pytest.raises(ServerFailed, match="u_gone"):
        await poolers_of(host).route_to(database.server, database.name, roles=["u_gone"], most_connections=5)


async def test_a_server_of_an_older_version_lets_poolers_in(host: Host) -> None:
    server = await host.new_server()
    database = await host.new_database(server)
    access = server.data_directory / "pg_hba.conf"
    access.write_text(access.read_text().replace("local all all scram-sha-256\n", ""))
    await ask(server, "SELECT pg_reload_conf()")
    made = planned(host, database)
    await made.start()
    client = await made.connect()
    assert await scalar(client, "SELECT 1") == 1
    await client.close()
    await made.remove()


async def test_nobody_else_can_read_its_files_or_enter_its_console(pooled: Pooled) -> None:
    files = [path for path in pooled.pooler.folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"pgbouncer.ini", "users", "access", "server.key"}
    for folder in (pooled.pooler.folder, pooled.pooler.socket_directory):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    text = "".join(path.read_text() for path in files)
    assert pooled.database.owner.password not in text
    with pytest.raises(psycopg.OperationalError, match="login rejected"):
        await psycopg.AsyncConnection.connect(
            host=str(pooled.pooler.socket_directory), port=pooled.pooler.port, user="nobody", dbname="pgbouncer"
        )


async def test_it_runs_as_the_servers_user_with_room_for_many_clients(pooled: Pooled) -> None:
    [pid] = processes_of(pooled.pooler)
    owner = Path(f"/proc/{pid}").owner()
    limits = Path(f"/proc/{pid}/limits").read_text()
    soft, hard = next(line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files"))
    assert owner == (run_as_for_servers() or Path("/proc/self").owner())
    assert soft == hard


async def test_tidying_renews_a_certificate_and_begins_a_new_log(pooled: Pooled) -> None:
    folder = pooled.pooler.folder
    log = folder / "pooler.log"
    before = _certificate_of(pooled)
    (folder / "tls" / "server.crt").unlink()
    with log.open("a") as file:
        file.write("x" * (11 * 2**20))
    pooled.poolers.tidy(pooled.pooler)

    async def begins_anew() -> bool:
        with pytest.raises(psycopg.OperationalError):
            await pooled.connect(password="wrong")
        return log.exists() and log.stat().st_size < 2**20

    await until(begins_anew)
    assert _certificate_of(pooled) != before
    assert (folder / "tls" / "server.crt").read_text().startswith(_certificate_of(pooled))
    client = await pooled.connect()
    assert await scalar(client, "SELECT 1") == 1
    await client.close()


def _certificate_of(pooled: Pooled) -> str:
    """What it shows to its clients."""
    context = ssl.create_default_context(cafile=pooled.database.authority)
    with socket.create_connection((pooled.pooler.address, pooled.pooler.port), timeout=10) as plain:
        plain.sendall(struct.pack("!ii", 8, 80877103))  # the protocol's wish for TLS
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain, server_hostname=pooled.pooler.address) as secured:
            return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"")


async def test_a_console_of_a_dead_pooler_says_so(pooled: Pooled) -> None:
    async with pooled.poolers.console(pooled.pooler) as console:
        await pooled.poolers.stop(pooled.pooler)
        for act in (console.load, console.resume, lambda: console.pause(timeout_s=1)):
            with pytest.raises(ServerUnreachable):
                await act()
    with pytest.raises(ServerUnreachable):
        await pooled.poolers.console(pooled.pooler).__aenter__()


async def test_it_belongs_to_its_engine(host: Host, leader: Server) -> None:
    poolers: Poolers = poolers_of(host)
    plan = poolers.plan_pooler("p1", address="127.0.0.1", taken_ports=frozenset())
    stranger = type(plan)(plan.name, plan.address, plan.port, Path("/nowhere/p1"), plan.socket_directory)
    with pytest.raises(ValueError, match="does not belong"):
        await poolers.destroy(stranger)
