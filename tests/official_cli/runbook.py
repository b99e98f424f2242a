"""The articles' follower changeover into a private space, typed with the official CLI once; the tests read the transcript.

Topology: the old leader belongs to app `shop` in the Common Runtime and is attached to `shop-private` in the space too; a
second follower stays with it until it goes. Both apps run, with web and worker dynos, and people order all the while. In
between, what makes no sense is tried, and must change nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from tests.official_cli.official import Ended, OfficialCli
from tests.official_cli.shop import Shop, found_in

CAUGHT_UP_S = 60
APPS = ("shop", "shop-private")
SCALED_UP = {"shop": "web=2 worker=2", "shop-private": "worker=1"}
SCALED_DOWN = {"shop": "web=0 worker=0", "shop-private": "worker=0"}
"""In a space the maintenance page lives beside web, which stays."""


@dataclass
class Played:
    """Every command by the name of its step, and what was seen between them."""

    steps: dict[str, Ended] = field(default_factory=dict)
    old: str = ""
    new: str = ""
    second: str = ""
    old_url: str = ""
    new_url: str = ""
    was_in_recovery: bool | None = None
    is_in_recovery: bool | None = None
    orders: list[int] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    """What the apps have told people and their ledgers that it was taken."""
    found: set[str] = field(default_factory=set)
    """What the new leader has."""
    ordering_in_maintenance: dict[str, int] = field(default_factory=dict)
    writing_in_maintenance: set[str] = field(default_factory=set)

    def __getitem__(self, step: str) -> Ended:
        return self.steps[step]


class Runbook:
    """Plays the steps in order and keeps going after a command that failed: the tests say which mattered."""

    def __init__(self, heroku: OfficialCli, shop: Shop) -> None:
        self._heroku = heroku
        self._shop = shop
        self.played = Played()

    def play(self) -> Played:
        try:
            for chapter in (
                self.build, self.open, self.refusals_before, self.follow, self.hold, self.unfollow, self.promote,
                self.go_on, self.destroy,
            ):  # fmt: skip
                chapter()
        finally:
            self._shop.close()
        self.played.acknowledged = self._shop.acknowledged()
        self.played.found = found_in(self.played.new_url)
        return self.played

    def step(self, name: str, line: str) -> Ended:
        ended = self.played.steps[name] = self._heroku(line)
        return ended

    def build(self) -> None:
        played = self.played
        self.step("apps:create", "apps:create shop")
        played.old = created(self.step("create leader", "addons:create heroku-postgresql:standard-0 -a shop --wait"))
        self.step("spaces:create", "spaces:create --space acme-space --team acme")
        self.step("spaces:wait", "spaces:wait --space acme-space --interval 1")
        self.step("apps:create in the space", "apps:create shop-private --space acme-space")
        self.step("attach leader", f"addons:attach {played.old} -a shop-private --as DATABASE")
        self.step("info without", "pg:info -a shop")
        self.step("info by config var", "pg:info DATABASE_URL -a shop")
        self.step("info by name", f"pg:info {played.old} -a shop")
        played.old_url = self._heroku("config:get DATABASE_URL -a shop").out.strip()
        with psycopg.connect(played.old_url, autocommit=True) as database:
            database.execute("CREATE TABLE orders (id int PRIMARY KEY)")
            database.execute("INSERT INTO orders SELECT generate_series(1, 1000)")

    def open(self) -> None:
        self._shop.open()
        for app in APPS:
            self.step(f"scale up {app}", f"ps:scale {SCALED_UP[app]} -a {app}")
            self._shop.until_trade_goes_on(app)

    def refusals_before(self) -> None:
        private = "addons:create heroku-postgresql:private-4 -a shop-private -- --follow"
        self.step("apps:create small", "apps:create small")
        self.step("create essential", "addons:create heroku-postgresql:essential-0 -a small --wait")
        self.step("follow essential", "addons:create heroku-postgresql:standard-0 -a small -- --follow DATABASE_URL")
        self.step("follow unknown", f"{private} NOBODY_URL")
        self.step("follow foreign", f"{private} postgres://me:secret@db.example.com:5432/shop")
        self.step("unfollow leader", f"pg:unfollow {self.played.old} -a shop --confirm shop")
        self.step("databases after refusals", "addons -a shop-private")

    def follow(self) -> None:
        played = self.played
        follower = self.step(
            "create follower", f"addons:create heroku-postgresql:private-4 -a shop-private -- --follow {played.old}"
        )
        played.new = created(follower)
        self.step("docs", "addons:docs heroku-postgresql")
        self.step("wait", f"pg:wait {played.new} -a shop-private --wait-interval 1")
        self.step("addons:info", f"addons:info {played.new}")
        second = self.step(
            "create follower, older syntax", "addons:create heroku-postgresql:standard-0 -a shop --follow DATABASE_URL"
        )
        played.second = created(second)
        self.step("wait for all", "pg:wait -a shop --wait-interval 1")
        self.step(
            "follow a follower", f"addons:create heroku-postgresql:standard-0 -a shop -- --follow {played.second}"
        )
        caught_up = self.until(
            lambda ended: ended.row("Behind By") == "0 commits", f"pg:info {played.new} -a shop-private"
        )
        played.steps["info of the follower"] = caught_up
        self.step("promote a follower", f"pg:promote {played.second} -a shop")
        self.step("promote the leader again", f"pg:promote {played.old} -a shop")

    def hold(self) -> None:
        """Nobody writes any more, and the follower has everything."""
        played = self.played
        for app in APPS:
            self.step(f"maintenance:on {app}", f"maintenance:on -a {app}")
            self.step(f"formation of {app}", f"ps:scale -a {app}")
            self.step(f"scale down {app}", f"ps:scale {SCALED_DOWN[app]} -a {app}")
            self.step(f"ps of {app} in maintenance", f"ps -a {app}")
            played.ordering_in_maintenance[app] = self._shop.customers[app].order()
        before = self._shop.acknowledged()
        played.steps["info before unfollowing"] = self.until(
            lambda ended: ended.row("Behind By") == "0 commits", f"pg:info {played.new} -a shop-private"
        )
        played.writing_in_maintenance = self._shop.acknowledged() - before

    def go_on(self) -> None:
        for app in APPS:
            self.step(f"maintenance:off {app}", f"maintenance:off -a {app}")
            self.step(f"scale back {app}", f"ps:scale {SCALED_UP[app]} -a {app}")
        for app in APPS:
            self._shop.until_trade_goes_on(app)
            self.step(f"formation of {app} afterwards", f"ps:scale -a {app}")
        self.step("info with traffic", "pg:info -a shop-private")

    def unfollow(self) -> None:
        played = self.played
        url = self._heroku(f"config:get {attachment(played['addons:info'])}_URL -a shop-private").out.strip()
        played.was_in_recovery = in_recovery(url)
        self.step("unfollow without confirm", f"pg:unfollow {played.new} -a shop-private --confirm shop")
        self.step("unfollow", f"pg:unfollow {played.new} -a shop-private --confirm shop-private")
        self.until(lambda _: in_recovery(url) is False, f"pg:wait {played.new} -a shop-private --wait-interval 1")
        played.is_in_recovery = in_recovery(url)
        self.step("info of the unfollowed", f"pg:info {played.new} -a shop-private")

    def promote(self) -> None:
        played = self.played
        self.step("promote", f"pg:promote {played.new} -a shop-private")
        self.step("promote again", f"pg:promote {played.new} -a shop-private")
        played.new_url = self._heroku("config:get DATABASE_URL -a shop-private").out.strip()
        with psycopg.connect(played.new_url, autocommit=True) as database:
            database.execute("INSERT INTO orders VALUES (1001)")
            played.orders = [row[0] for row in database.execute("SELECT id FROM orders ORDER BY id")]
        self.step("attach to the other app", f"addons:attach {played.new} -a shop")
        self.step("promote on the other app", f"pg:promote {played.new} -a shop")
        self.step("releases of the other app", "releases -a shop")
        self.step("info of the second follower", f"pg:info {played.second} -a shop")

    def destroy(self) -> None:
        played = self.played
        destroy = f"addons:destroy {played.old} -a shop"
        self.step("destroy while attached", f"{destroy} --confirm shop")
        self.step("destroy, wrong confirmation", f"{destroy} --confirm shop-private")
        for count, name in enumerate(attachments(self._heroku(f"addons:info {played.old}"), "shop-private")):
            self.step(f"detach {count}", f"addons:detach {name} -a shop-private")
        self.step("destroy a followed leader", f"{destroy} --confirm shop")
        self.step("destroy", f"{destroy} --confirm shop --force --wait")
        self.step("info of the freed follower", f"pg:info {played.second} -a shop")
        self.step("info at the end", "pg:info -a shop-private")
        self.step("credentials", f"pg:credentials:url {played.new} -a shop-private")

    def until(self, is_so: Callable[[Ended], bool], line: str) -> Ended:
        """Type a line again and again until it answers as expected, or the deadline is over."""
        deadline = time.monotonic() + CAUGHT_UP_S
        while not is_so(ended := self._heroku(line)) and time.monotonic() < deadline:
            pass  # each run of the official CLI takes a second by itself
        return ended


def created(ended: Ended) -> str:
    """The name of the add-on that `addons:create` made; empty when it made none."""
    found = re.search(r"\b(postgresql-[a-z]+-\d+)\b", ended.out)
    return found[1] if found else ""


def attachments(ended: Ended, app: str) -> list[str]:
    """The names under which `addons:info` shows an add-on attached to `app`."""
    return re.findall(rf"{app}::(\w+)", ended.out)


def attachment(ended: Ended) -> str:
    return attachments(ended, "shop-private")[0]


def in_recovery(url: str) -> bool:
    with psycopg.connect(url) as database:
        row = database.execute("SELECT pg_is_in_recovery()").fetchone()
    return bool(row and row[0])
