"""People keep asking, 200 times a second over connections that they keep, and not one request fails while things change."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.runtime.router.fix_router import Crowd, RouterHome, WebDyno, others, shop, unused_port


async def replace(home: RouterHome, dynos: list[WebDyno], number: int) -> None:
    """As a release does, one after the other: the new one listens, is routed to, and only then the old one is told to go."""
    old, dynos[number] = dynos[number], await home.web_dyno(f"{dynos[number].name}'")
    home.router.route("shop", tuple(dyno.port for dyno in dynos))
    await asyncio.to_thread(old.end)


async def test_maintenance_on_and_off_costs_nothing_but_its_own_page(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1"), await home.web_dyno("web.2")),))

    async with Crowd(home.address).asking() as crowd:
        for _ in range(15):
            home.router.maintenance("shop", True)
            await asyncio.sleep(0.1)
            home.router.maintenance("shop", False)
            await asyncio.sleep(0.1)

    assert crowd.failed == []
    assert set(crowd.statuses) == {200, 503}
    assert crowd.connections == crowd.people


async def test_replacing_every_dyno_costs_nothing(home: RouterHome) -> None:
    dynos = [await home.web_dyno("web.1"), await home.web_dyno("web.2")]
    await home.router.apply((shop(*dynos),))

    async with Crowd(home.address).asking() as crowd:
        for number in (0, 1, 0, 1, 0, 1):
            await replace(home, dynos, number)

    assert crowd.failed == []
    assert set(crowd.statuses) == {200}
    assert len(crowd.dynos) > 4


async def test_a_pool_of_declared_ports_needs_no_word_when_dynos_come_and_go(home: RouterHome) -> None:
    """The second way: all ports that may ever be used are named once, and most of them refuse."""
    ports = [unused_port() for _ in range(6)]
    first, second = await home.web_dyno("web.1", ports[0]), await home.web_dyno("web.2", ports[1])
    await home.router.apply((shop(first, second),))
    home.router.route("shop", tuple(ports))

    async with Crowd(home.address).asking() as crowd:
        await home.web_dyno("web.3", ports[2])
        await asyncio.sleep(1)
        await asyncio.to_thread(second.kill)
        await asyncio.sleep(1)
        await home.web_dyno("web.4", ports[3])
        await asyncio.sleep(1)

    posts_on_a_dead_connection = [said for said in crowd.failed if "POST" not in said]
    assert posts_on_a_dead_connection == []
    assert crowd.dynos["web.3"] > 20
    assert crowd.dynos["web.4"] > 20
    assert crowd.slowest_s < 1


async def test_twenty_new_apps_disturb_nobody(home: RouterHome) -> None:
    dyno = shop(await home.web_dyno("web.1"), await home.web_dyno("web.2"))
    await home.router.apply((dyno,))

    async with Crowd(home.address).asking() as crowd:
        for count in range(20):
            assert not await home.router.apply((dyno, *others(count + 1)))
            await asyncio.sleep(0.1)

    assert crowd.failed == []
    assert set(crowd.statuses) == {200}


async def test_when_there_is_no_room_for_another_app_hardly_anybody_notices(home: RouterHome) -> None:
    """Another configuration, at the 33rd app: connections are drained first. What Caddy has just accepted may still be lost."""
    dyno = shop(await home.web_dyno("web.1"), await home.web_dyno("web.2"))
    await home.router.apply((dyno,))

    async with Crowd(home.address).asking() as crowd:
        await asyncio.sleep(0.5)
        assert await home.router.apply((dyno, *others(100)))
        await asyncio.sleep(0.5)

    assert len(crowd.failed) <= 3
    assert set(crowd.statuses) == {200}
    assert (await home.ask("/", app="other-99")).status == 503


@pytest.mark.long
async def test_a_minute_of_everything_costs_nothing_but_the_maintenance_page(home: RouterHome) -> None:
    dynos = [await home.web_dyno("web.1"), await home.web_dyno("web.2")]
    await home.router.apply((shop(*dynos),))
    end = time.monotonic() + 60
    turn = 0

    async with Crowd(home.address).asking() as crowd:
        while time.monotonic() < end:
            turn += 1
            await replace(home, dynos, turn % 2)
            home.router.maintenance("shop", True)
            await asyncio.sleep(0.5)
            home.router.maintenance("shop", False)
            await home.router.apply((shop(*dynos), *others(turn % 5)))

    assert crowd.failed == []
    assert set(crowd.statuses) == {200, 503}
    assert crowd.asked > 10_000
