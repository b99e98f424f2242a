"""The demo's plot: an app has moved into a private space, but its database has not. A follower there takes over."""

from __future__ import annotations

import asyncio
import re
import time

from changeover.demo.database import lose_one, orders_in
from changeover.demo.direct import Direct
from changeover.demo.notes import Notes
from changeover.demo.pulse import Pulse
from changeover.demo.screen import Screen
from changeover.demo.slug import make_notes_folder
from changeover.demo.stage import Stage, nothing, without_password
from changeover.demo.storefront import Storefront
from changeover.demo.verdict import Verdict, judge
from changeover.errors import DemoFailed

SHOP, FORMER_SHOP, SPACE, TEAM = "shop", "shop-common", "private", "demo"
OLD, NEW = "orders-old", "orders-new"
CAUGHT_UP_S = 60
NEAR_COMMITS = 200
"""Close enough, according to Heroku's guide. With orders coming in, a busy machine may never see 0."""
BEHIND = re.compile(r"Behind By:\s+(\d+) commits?")
TELLING = ("Plan:", "Status:", "Following:", "Behind By:", "Forked From:", "Add-on:")
"""The rows of pg:info that matter here."""


class Story:
    """Runs the demo once. `sabotage` is `lose-one`, `fail-requests` (with an app) or None."""

    def __init__(self, stage: Stage, screen: Screen, *, database_only: bool, sabotage: str | None) -> None:
        self._stage = stage
        self._run = stage.run
        self._screen = screen
        self._sabotage = sabotage
        self._database_only = database_only

    async def tell(self) -> Verdict:
        """From an empty home to the result. Raises DemoFailed when a command fails."""
        self._screen.title("changeover demo · a live database moves into a private space")
        self._screen.chapter("A separate home")
        await self._stage.start_server()
        await self._set_up()
        notes = Notes(self._stage.home / "acknowledged-orders")
        make_notes_folder(notes.folder, for_dynos=not self._database_only)
        async with self._trade(notes) as self._orders:
            self._pulse = Pulse(self._orders, self._screen, self._lag)
            await self._orders.begin()
            async with self._pulse.beating():
                await self._make_follower()
                await self._change_over()
                await self._retire_old()
                self._pulse.sum_up()
                await self._orders.end()
            return await self._look_up()

    def _trade(self, notes: Notes) -> Direct | Storefront:
        if self._database_only:
            return Direct(notes, self._url, self._screen)
        return Storefront(SHOP, notes, self._stage, self._screen)

    async def _set_up(self) -> None:
        self._screen.chapter("A shop in a private space, with its database still in the Common Runtime")
        await self._run("apps:create", FORMER_SHOP)
        await self._run("addons:create", "heroku-postgresql:standard-0", "--name", OLD, "--app", FORMER_SHOP, "--wait")
        await self._run("spaces:create", SPACE, "--team", TEAM, show=_without_table)
        await self._run("spaces:wait", SPACE, show=_without_table)
        await self._run("apps:create", SHOP, "--space", SPACE)
        await self._run("addons:attach", OLD, "--as", "DATABASE", "--app", SHOP)

    async def _make_follower(self) -> None:
        self._next_chapter("A follower in the space, while orders come in")
        await self._run("pg:info", "--app", SHOP, show=_telling)
        await self._run(
            *("addons:create", "heroku-postgresql:private-4", "--name", NEW, "--app", SHOP),
            *("--", "--follow", "DATABASE_URL"),
        )
        await self._run("pg:wait", NEW, "--app", SHOP)
        self._pulse.follows = True
        await self._caught_up(NEAR_COMMITS)
        if self._sabotage == "fail-requests" and isinstance(self._orders, Storefront):
            self._screen.note("--break fail-requests: the web dynos stop, without maintenance mode")
            await self._orders.fail_requests()

    async def _change_over(self) -> None:
        """From the last order on the old leader to the first on the new one."""
        self._next_chapter("The changeover")
        await self._orders.hold()
        await self._caught_up(0)
        self._pulse.follows = False
        await self._run("pg:unfollow", NEW, "--app", SHOP, "--confirm", SHOP)
        await self._run("pg:promote", NEW, "--app", SHOP)
        await self._orders.resume()

    async def _retire_old(self) -> None:
        self._next_chapter("The old database is removed")
        attached = await self._run("addons:info", OLD, show=_attachments)
        for name in re.findall(rf"{SHOP}::(\w+)", attached):
            await self._run("addons:detach", name, "--app", SHOP)
        await self._run("addons:destroy", OLD, "--app", FORMER_SHOP, "--confirm", FORMER_SHOP, "--wait")
        await self._run("pg:info", "--app", SHOP, show=_telling)

    async def _look_up(self) -> Verdict:
        self._screen.chapter("Look up every acknowledged order in the new leader")
        acknowledged = self._orders.acknowledged()
        url = await self._url()
        if self._sabotage == "lose-one":
            victim = sorted(acknowledged)[len(acknowledged) // 2]
            await lose_one(url, victim)
            self._screen.note(f"--break lose-one: order {victim} was secretly deleted")
        return judge(acknowledged, await orders_in(url), self._orders.serving())

    def _next_chapter(self, title: str) -> None:
        self._pulse.sum_up()
        self._screen.chapter(title)

    async def _url(self) -> str:
        return (await self._run("config:get", "DATABASE_URL", "--app", SHOP, show=without_password)).strip()

    async def _lag(self) -> int | None:
        """How many commits the follower is behind, without echoing the command."""
        behind = BEHIND.search(await self._run("pg:info", NEW, "--app", SHOP, show=nothing, echo=False))
        return int(behind[1]) if behind else None

    async def _caught_up(self, most: int) -> None:
        """Poll the follower's lag until it is at most `most` commits."""
        until = time.monotonic() + CAUGHT_UP_S
        seen: set[str] = set()

        def new_lag_line(line: str) -> str | None:
            is_new = line.startswith("Behind By:") and line not in seen
            seen.add(line)
            return line if is_new else None

        is_first = True
        while True:
            said = await self._run("pg:info", NEW, "--app", SHOP, show=new_lag_line, echo=is_first)
            behind = BEHIND.search(said)
            if behind and int(behind[1]) <= most:
                return
            if time.monotonic() > until:
                raise DemoFailed(f"The follower did not catch up within {CAUGHT_UP_S} s.", said=said)
            is_first = False
            await asyncio.sleep(0.2)


def _without_table(line: str) -> str | None:
    return None if line.startswith("===") or re.match(r"[A-Z][\w ]*: ", line) else line


def _telling(line: str) -> str | None:
    return line if line.startswith(("===", *TELLING)) else None


def _attachments(line: str) -> str | None:
    return line if "::" in line else None
