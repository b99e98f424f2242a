"""The demo's plot: a shop's live database gets a follower in a private space, which takes over; the old one goes."""

from __future__ import annotations

import asyncio
import re
import time

from changeover.demo.orders import Orders, lose_one, orders_in
from changeover.demo.screen import Screen, Verdict
from changeover.demo.stage import Stage, without_password
from changeover.errors import DemoFailed

SHOP, PRIVATE_SHOP, SPACE, TEAM = "shop", "shop-private", "private", "demo"
OLD, NEW = "orders-old", "orders-new"
CAUGHT_UP_S = 60
BEHIND = re.compile(r"Behind By:\s+(\d+) commits?")


class Story:
    """Tells itself once, on a stage. `sabotage` is `lose-one` or None."""

    def __init__(self, stage: Stage, screen: Screen, *, sabotage: str | None) -> None:
        self._stage = stage
        self._run = stage.run
        self._screen = screen
        self._sabotage = sabotage

    async def tell(self) -> Verdict:
        """From an empty home to the verdict. Raises DemoFailed when a command fails."""
        self._screen.title("changeover demo · a live database moves into a private space")
        self._screen.chapter("A home of its own")
        await self._stage.start_server()
        await self._open_shop()
        async with Orders.into(self._stage.home / "acknowledged-orders") as orders:
            await orders.go(await self._url_of(SHOP))
            self._screen.note("4 connections order; each acknowledged order is noted and synced to disk")
            await self._make_follower()
            pause_s = await self._change_over(orders)
            await self._retire_old()
            await orders.hold()
            return await self._look_up(orders, pause_s)

    async def _open_shop(self) -> None:
        self._screen.chapter("A shop with a live database")
        await self._run("apps:create", SHOP)
        await self._run("addons:create", "heroku-postgresql:standard-0", "--name", OLD, "--app", SHOP, "--wait")

    async def _make_follower(self) -> None:
        self._screen.chapter("A follower in a private space, while orders come in")
        await self._run("spaces:create", SPACE, "--team", TEAM, show=_without_table)
        await self._run("spaces:wait", SPACE, show=_without_table)
        await self._run("apps:create", PRIVATE_SHOP, "--space", SPACE)
        await self._run("addons:attach", OLD, "--as", "DATABASE", "--app", PRIVATE_SHOP)
        await self._run(
            *("addons:create", "heroku-postgresql:private-4", "--name", NEW, "--app", PRIVATE_SHOP),
            *("--", "--follow", "DATABASE_URL"),
        )
        await self._run("pg:wait", NEW, "--app", PRIVATE_SHOP)
        await self._caught_up()

    async def _change_over(self, orders: Orders) -> float:
        """The pause, from the last order on the old leader to the first on the new one, in seconds."""
        self._screen.chapter("The changeover")
        last_at = await orders.hold()
        self._screen.note(f"the orders are held, after {len(orders.acknowledged()):,} of them")
        await self._caught_up()
        await self._run("pg:unfollow", NEW, "--app", PRIVATE_SHOP, "--confirm", PRIVATE_SHOP)
        await self._run("pg:promote", NEW, "--app", PRIVATE_SHOP)
        pause_s = await orders.go(await self._url_of(PRIVATE_SHOP)) - last_at
        self._screen.note(f"orders flow into the new leader, {pause_s:.2f} s after the last one on the old")
        return pause_s

    async def _retire_old(self) -> None:
        self._screen.chapter("The old database goes")
        attached = await self._run("addons:info", OLD)
        for name in re.findall(rf"{PRIVATE_SHOP}::(\w+)", attached):
            await self._run("addons:detach", name, "--app", PRIVATE_SHOP)
        await self._run("addons:destroy", OLD, "--app", SHOP, "--confirm", SHOP, "--wait")

    async def _look_up(self, orders: Orders, pause_s: float) -> Verdict:
        self._screen.chapter("Every acknowledged order is looked up in the new leader")
        url = await self._url_of(PRIVATE_SHOP)
        acknowledged = orders.acknowledged()
        if self._sabotage == "lose-one":
            victim = sorted(acknowledged)[len(acknowledged) // 2]
            await lose_one(url, victim)
            self._screen.note(f"--break lose-one: order {victim} was deleted behind everybody's back")
        lost = sorted(acknowledged - await orders_in(url))
        found = len(acknowledged) - len(lost)
        return Verdict(pause_s=pause_s, acknowledged=len(acknowledged), found=found, first_lost=tuple(lost[:5]))

    async def _url_of(self, app: str) -> str:
        return (await self._run("config:get", "DATABASE_URL", "--app", app, show=without_password)).strip()

    async def _caught_up(self) -> None:
        """Ask for the follower's lag until it is 0 commits."""
        until = time.monotonic() + CAUGHT_UP_S
        seen: set[str] = set()

        def new_lag_line(line: str) -> str | None:
            is_new = line.startswith("Behind By:") and line not in seen
            seen.add(line)
            return line if is_new else None

        is_first = True
        while True:
            said = await self._run("pg:info", NEW, "--app", PRIVATE_SHOP, show=new_lag_line, echo=is_first)
            behind = BEHIND.search(said)
            if behind and int(behind[1]) == 0:
                return
            if time.monotonic() > until:
                raise DemoFailed(f"The follower did not catch up within {CAUGHT_UP_S} s.", said=said)
            is_first = False
            await asyncio.sleep(0.2)


def _without_table(line: str) -> str | None:
    return None if line.startswith("===") or re.match(r"[A-Z][\w ]*: ", line) else line
