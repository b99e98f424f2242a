"""Followers: copied in the background, following, promoted, forgotten; and what happens when either side breaks."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow
from tests.engines.fix_host import SMALL, Host, ask, until, until_replayed
from tests.engines.test_servers import postmaster_of, works_in

from changeover.engines.engine import Server, Size
from changeover.engines.local import LocalEngine
from changeover.engines.local.leading import slot_of
from changeover.errors import CopyFailed, DiskFull, LeaderGone, NotAFollower, RunConflict, ServerFailed
from changeover.postgres.acting import Actor, acting
from changeover.postgres.connect import Address

FILLER = "CREATE TABLE public.filler AS SELECT repeat(md5(i::text), 30) AS text FROM generate_series(1, 60000) i"


def copies_to(server: Server) -> list[int]:
    """The pids of base backups that write this server's data directory."""
    found = subprocess.run(
        ["pgrep", "-f", f"pgdata={server.data_directory}"], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in found.stdout.split()]


async def slots_of(leader: Server) -> list[tuple[object, ...]]:
    return await ask(leader, "SELECT slot_name FROM pg_replication_slots ORDER BY 1")


async def test_a_follower_is_copied_streams_and_is_promoted(each_host: Host) -> None:
    engine = each_host.engine
    leader = await each_host.new_server()
    await ask(leader, FILLER)
    follower = await each_host.new_follower(leader)
    assert (await engine.health(follower)).is_in_recovery is True

    await ask(leader, "CREATE TABLE public.late AS SELECT 1")
    await until_replayed(follower, leader)
    await engine.promote(follower, acting_as="41:1")
    await engine.forget_follower(leader, follower)

    assert (await engine.health(follower)).is_in_recovery is False
    assert await slots_of(leader) == []
    await ask(follower, "INSERT INTO public.late SELECT count(*) FROM public.filler")


async def test_a_follower_has_its_own_settings_port_and_certificate(
    host: Host, leader: Server, follower: Server
) -> None:
    rows = await ask(follower, "SELECT current_setting('port')::int, current_setting('ssl_cert_file')")
    assert rows == [(follower.port, str(follower.data_directory.with_name("tls") / "server.crt"))]
    assert await ask(follower, "SELECT setting FROM pg_settings WHERE name LIKE 'changeover%'") == []


async def test_progress_rises_in_per_cent_and_waits_for_the_last_byte(host: Host) -> None:
    leader = await host.new_server()
    await ask(leader, FILLER)
    follower = host.plan(leader=leader)
    await host.engine.begin_copy(follower, leader, SMALL)
    for pid in copies_to(follower):
        os.kill(pid, signal.SIGSTOP)
    halted = await host.engine.copy_progress(follower, leader)
    with pytest.raises(ServerFailed, match="is incomplete"):
        await host.engine.start(follower)
    for pid in copies_to(follower):
        os.kill(pid, signal.SIGCONT)

    seen = await host.copied(follower, leader)

    assert not halted.is_done
    assert (sorted(seen), seen[-1]) == (seen, 100)
    await host.engine.begin_copy(follower, leader, SMALL)
    assert (await host.engine.copy_progress(follower, leader)).is_done


async def test_beginning_twice_leaves_the_running_copy_alone(host: Host, leader: Server) -> None:
    follower = host.plan(leader=leader)
    await host.engine.begin_copy(follower, leader, SMALL)
    running = copies_to(follower)
    await host.engine_at(host.home).begin_copy(follower, leader, SMALL)
    assert set(copies_to(follower)) <= {*running, *copies_to(follower)[1:]}
    await host.copied(follower, leader)
    await host.engine.forget_follower(leader, follower)
    await host.engine.destroy(follower)


async def test_a_killed_leader_ends_the_copy_and_it_begins_anew(host: Host) -> None:
    leader = await host.new_server()
    await ask(leader, FILLER)
    follower = host.plan(leader=leader)
    await host.engine.begin_copy(follower, leader, SMALL)
    for pid in copies_to(follower):
        os.kill(pid, signal.SIGSTOP)
    os.kill(postmaster_of(leader), signal.SIGKILL)
    for pid in copies_to(follower):
        os.kill(pid, signal.SIGCONT)

    with pytest.raises(LeaderGone) as gone:
        await host.copied(follower, leader)
    with pytest.raises(LeaderGone):
        await host.engine.begin_copy(follower, leader, SMALL)
    await host.engine.start(leader)
    await host.engine.begin_copy(follower, leader, SMALL)
    await host.copied(follower, leader)

    assert gone.value.retryable
    await host.engine.start(follower)


END_WALSENDERS = """
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE backend_type = 'walsender'
"""


async def test_an_owner_who_ends_what_feeds_a_follower_only_delays_it(host: Host) -> None:
    """The owner of a whole server may end any session that is no superuser's, so those of followers too."""
    leader = await host.new_server()
    database = await host.new_database(leader)
    await ask(leader, FILLER)
    follower = host.plan(leader=leader)
    with database.connect() as owner:
        await host.engine.begin_copy(follower, leader, SMALL)
        for pid in copies_to(follower):
            os.kill(pid, signal.SIGSTOP)
        await until(lambda: ended_by(owner))
        for pid in copies_to(follower):
            os.kill(pid, signal.SIGCONT)
        with pytest.raises(LeaderGone) as gone:
            await host.copied(follower, leader)
        await host.engine.begin_copy(follower, leader, SMALL)
        await host.copied(follower, leader)
        await host.engine.start(follower)
        await until(lambda: ended_by(owner))
    await ask(leader, "CREATE TABLE public.late AS SELECT 1")
    await until_replayed(follower, leader)

    assert gone.value.retryable


async def ended_by(owner: psycopg.Connection[TupleRow]) -> bool:
    """Whether there was one to end."""
    return owner.execute(END_WALSENDERS).fetchone() == (True,)


async def test_a_killed_copy_is_named_and_begins_anew(host: Host) -> None:
    leader = await host.new_server()
    await ask(leader, FILLER)
    follower = host.plan(leader=leader)
    await host.engine.begin_copy(follower, leader, SMALL)
    for pid in copies_to(follower):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(CopyFailed):
        await host.copied(follower, leader)
    await host.engine.begin_copy(follower, leader, SMALL)
    await host.copied(follower, leader)


async def test_destroying_during_the_copy_leaves_nothing(host: Host) -> None:
    leader = await host.new_server()
    await ask(leader, FILLER)
    follower = host.plan(leader=leader)
    await host.engine.begin_copy(follower, leader, SMALL)
    await host.engine.destroy(follower)
    await host.engine.forget_follower(leader, follower)
    assert (copies_to(follower), works_in(follower)) == ([], [])
    assert not follower.data_directory.parent.exists()
    assert await slots_of(leader) == []


@pytest.fixture
def small_disk(host: Host) -> Iterator[Path]:
    """A folder on a disk of 24 MB."""
    folder = host.home / "small"
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0755", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        folder.rmdir()
        pytest.skip("needs root, to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


async def test_a_copy_that_does_not_fit_is_not_begun(host: Host, leader: Server, small_disk: Path) -> None:
    engine = host.engine_at(small_disk)
    follower = host.plan(leader=leader, engine=engine)
    with pytest.raises(DiskFull, match="does not fit") as full:
        await engine.begin_copy(follower, leader, SMALL)
    await engine.destroy(follower)
    await engine.forget_follower(leader, follower)
    assert str(follower.data_directory) in full.value.why
    assert copies_to(follower) == []


async def test_a_full_disk_is_named_with_what_is_free(
    host: Host, leader: Server, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changeover.engines.local.copying.SPARE_BYTES", -(2**30))  # as if another filled it at once
    engine = host.engine_at(small_disk)
    follower = host.plan(leader=leader, engine=engine)
    await engine.begin_copy(follower, leader, SMALL)

    async def is_done() -> bool:
        return (await engine.copy_progress(follower, leader)).is_done

    with pytest.raises(DiskFull, match="ended before it was complete") as full:
        await until(is_done)
    await engine.destroy(follower)
    await engine.forget_follower(leader, follower)
    assert str(follower.data_directory) in full.value.why
    assert (full.value.retryable, list((small_disk / "servers").iterdir())) == (False, [])


async def test_a_follower_that_was_away_for_too_long_is_lost(host: Host) -> None:
    leader = await host.new_server()
    follower = await host.new_follower(leader)
    await ask(leader, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    await ask(leader, "ALTER SYSTEM SET wal_keep_size = 0")
    await ask(leader, "SELECT pg_reload_conf()")
    assert not (await host.engine.behind(follower, leader)).is_lost
    await host.engine.stop(follower)
    await ask(leader, "CREATE TABLE public.t (i int)")
    for _ in range(5):
        await ask(leader, "INSERT INTO public.t VALUES (1)")
        await ask(leader, "SELECT pg_switch_wal()")
    await ask(leader, "CHECKPOINT")
    await host.engine.start(follower)

    async def is_lost() -> bool:
        return (await host.engine.behind(follower, leader)).is_lost

    await until(is_lost)
    assert not (await host.engine.behind(follower, leader)).is_streaming


async def test_a_larger_leader_gets_a_follower_of_its_size(host: Host) -> None:
    leader = await host.new_server(Size(max_connections=60, memory_mb=64))
    follower = await host.new_follower(leader)
    assert await ask(follower, "SHOW max_connections") == [("70",)]


async def test_a_follower_survives_a_restart_of_both(host: Host) -> None:
    leader = await host.new_server()
    follower = await host.new_follower(leader)
    await host.engine.stop(leader)
    await host.engine.stop(follower)
    await host.engine.start(follower)
    assert (await host.engine.health(follower)).is_in_recovery is True
    await host.engine.start(leader)

    async def streams() -> bool:
        return (await host.engine.behind(follower, leader)).is_streaming

    await until(streams)


async def test_promotion_waits_for_nothing_once_done_and_the_rest_follow_on(host: Host) -> None:
    leader = await host.new_server()
    first = await host.new_follower(leader)
    second = await host.new_follower(leader)
    await host.engine.promote(first, acting_as="7:1")
    await host.engine.promote(first, acting_as="7:1")
    assert (await host.engine.behind(second, leader)).commits == 0
    with pytest.raises(NotAFollower):
        await host.engine.behind(first, leader)
    third = await host.new_follower(first)
    assert (await host.engine.health(third)).is_in_recovery is True


async def test_a_stale_actor_loses_its_connection_to_its_successor(
    host: Host, leader: Server, follower: Server
) -> None:
    address = Address(follower.socket_directory, follower.port)
    async with acting(address, Actor("run-9", 2)) as sleeping, acting(address, Actor("run-9", 3), timeout_s=5):
        with pytest.raises(psycopg.OperationalError):
            await sleeping.execute("SELECT pg_promote(wait => false)")
        with pytest.raises(RunConflict, match="another process"):
            await host.engine.promote(follower, acting_as="run-9:2")
    assert (await host.engine.health(follower)).is_in_recovery is True


async def test_actors_of_different_runs_leave_each_other_alone(leader: Server) -> None:
    address = Address(leader.socket_directory, leader.port)
    async with acting(address, Actor("a", 1)) as one, acting(address, Actor("b", 9)) as other:
        assert (await one.execute("SELECT 1")).rowcount == (await other.execute("SELECT 1")).rowcount


def test_an_engine_is_what_the_platform_expects(host: Host) -> None:
    from changeover.engines.engine import Engine

    engine: Engine = host.engine
    assert isinstance(engine, LocalEngine)
    assert slot_of(host.plan().name).startswith("changeover_s")
