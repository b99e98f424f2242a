"""Starting, adopting, killing and stopping the router; and who may speak to it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
from pathlib import Path

import pytest
from tests.runtime.router.fix_router import Crowd, RouterHome, others, shop, until, unused_port

from changeover.errors import BadSetting, PortTaken, RouterFailed
from changeover.hosts.programs import owner_ids
from changeover.runtime.router import caddy
from changeover.runtime.router.admin import AdminApi, ChangedMeanwhile
from changeover.runtime.router.places import MAINTENANCE
from changeover.runtime.router.program import routers_of


def pid_of(home: RouterHome) -> int:
    (process,) = routers_of(home.places)
    return process.pid


def kill(home: RouterHome) -> None:
    os.kill(pid_of(home), signal.SIGKILL)


async def test_a_running_router_is_adopted_by_the_next_control_plane(home: RouterHome) -> None:
    before = pid_of(home), home.address
    home.new_control_plane()

    await home.start()

    assert (pid_of(home), home.address) == before


async def test_killed_it_comes_back_with_the_same_port_apps_and_maintenance(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")), *others(1)))
    home.router.maintenance("other-0", True)
    kill(home)
    await until(lambda: not routers_of(home.places))
    assert not (await home.router.health()).is_up

    before = home.address
    home.new_control_plane()
    await home.start()

    assert home.address == before
    assert (await home.ask("/")).said["dyno"] == "web.1"
    assert b"Maintenance" in (await home.ask("/", app="other-0")).body


async def test_killed_under_load_it_is_back_within_a_second_and_new_connections_wait_for_it(home: RouterHome) -> None:
    """What was in flight is lost with it; who comes while it is away waits at the socket, which we still hold."""
    await home.router.apply((shop(await home.web_dyno("web.1"), await home.web_dyno("web.2")),))

    async with Crowd(home.address).asking() as crowd:
        await asyncio.sleep(0.5)
        kill(home)
        await until(lambda: not routers_of(home.places))
        await asyncio.sleep(0.5)
        await home.router.start()
        before = len(crowd.failed)
        await asyncio.sleep(1)

    assert before <= crowd.people
    assert len(crowd.failed) == before
    assert "refused" not in " ".join(crowd.failed)
    assert crowd.slowest_s < 2


def are_stopped(pid: int) -> bool:
    """All its threads: until then one of them may still answer."""
    states = [file.read_text().rpartition(")")[2].split()[0] for file in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}


async def test_one_that_hangs_is_replaced(home: RouterHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.runtime.router.caddy.LOOK_S", 0.3)
    stuck = pid_of(home)
    os.kill(stuck, signal.SIGSTOP)
    await until(lambda: are_stopped(stuck))

    assert not (await home.router.health()).is_up
    await home.router.start()

    assert pid_of(home) != stuck
    assert (await home.router.health()).is_up


async def test_a_lost_or_broken_configuration_is_made_anew(home: RouterHome) -> None:
    sites = (shop(await home.web_dyno("web.1")),)
    await home.router.apply(sites)
    await home.router.stop()
    home.places.configuration.write_text("{ not")

    await home.router.start()
    await home.router.apply(sites)

    assert (await home.ask("/")).status == 200


async def test_what_somebody_else_changed_in_it_is_put_right(home: RouterHome) -> None:
    """A crash between file and running configuration looks the same."""
    sites = (shop(await home.web_dyno("web.1")),)
    await home.router.apply(sites)
    running = await AdminApi(home.places.socket).running()
    await AdminApi(home.places.socket).replace(running.config | {"apps": {}}, instead_of=running)

    assert await home.router.apply(sites)
    assert (await home.ask("/")).status == 200


async def test_of_two_who_change_it_the_later_one_reads_again(home: RouterHome) -> None:
    admin = AdminApi(home.places.socket)
    seen = await admin.running()
    await admin.replace(seen.config | {"apps": {}}, instead_of=seen)

    with pytest.raises(ChangedMeanwhile):
        await admin.replace(seen.config | {"logging": {}}, instead_of=seen)


async def test_a_configuration_that_caddy_refuses_leaves_the_old_one(
    home: RouterHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))
    before = home.places.configuration.read_bytes()
    monkeypatch.setattr(caddy, "configuration", lambda *_: json.loads(before) | {"apps": {"nonsense": {}}})

    with pytest.raises(RouterFailed) as refused:
        await home.router.apply((shop(home.dynos[0]), *others(1)))

    assert "Caddy says" in refused.value.why
    assert home.places.configuration.read_bytes() == before
    assert (await home.ask("/")).status == 200


async def test_without_a_router_apply_says_so(home: RouterHome) -> None:
    await home.router.stop()

    with pytest.raises(RouterFailed) as down:
        await home.router.apply(())

    assert down.value.retryable
    assert not (await home.router.health()).is_up


async def test_stopping_answers_what_is_in_flight_first(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))
    slow = asyncio.create_task(home.ask("/slow"))
    await asyncio.sleep(0.3)

    await home.router.stop()

    assert (await slow).status == 200
    assert routers_of(home.places) == []
    with pytest.raises(ConnectionRefusedError):
        await home.ask("/")


async def test_it_listens_where_it_is_told_and_moves_when_it_is_told_otherwise(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))
    wanted = unused_port()

    await home.start(f"127.0.0.1:{wanted}")

    assert home.address.port == wanted
    assert (await home.ask("/")).status == 200


async def test_a_port_that_is_taken_is_named(home: RouterHome) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortTaken) as refused:
        await home.start(f"127.0.0.1:{taken.getsockname()[1]}")

    assert "--router-listen" in refused.value.fix


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:http", "203.0.113.1:8080"])
async def test_an_address_that_is_none_is_refused(home: RouterHome, listen: str) -> None:
    with pytest.raises(BadSetting, match="--router-listen"):
        await home.router.start(listen)


async def test_several_homes_have_a_router_each() -> None:
    homes = [RouterHome() for _ in range(2)]
    try:
        for home in homes:
            await home.start()
            await home.router.apply((shop(await home.web_dyno(str(home.home))),))

        assert [(await home.ask("/")).said["dyno"] for home in homes] == [str(home.home) for home in homes]
        assert len({home.address for home in homes}) == 2
    finally:
        for home in homes:
            await home.close()


async def test_only_its_own_user_can_speak_to_it_or_read_its_logs(home: RouterHome) -> None:
    uid, _ = owner_ids(home.places.run_as)

    assert stat.S_IMODE(home.places.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.places.socket.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.places.logs.stat().st_mode) == 0o700
    assert home.places.socket.stat().st_uid == uid
    assert Path(f"/proc/{pid_of(home)}").stat().st_uid == uid
    assert len(os.fsencode(home.places.socket)) < 100


async def test_what_it_obeys_is_not_its_own_to_change(home: RouterHome) -> None:
    await home.router.apply((shop(),))
    home.router.maintenance("shop", True)
    ours = [
        home.places.configuration,
        home.places.site("shop") / MAINTENANCE,
        home.places.site("shop"),
        home.places.home,
    ]

    assert {path.stat().st_uid for path in ours} == {os.geteuid()}
    assert not any(path.stat().st_mode & 0o022 for path in ours)
