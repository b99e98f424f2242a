"""Crashes on purpose: a control plane with a saboteur in its worker, whom to kill, and who watches both sides meanwhile."""

from __future__ import annotations

import itertools
import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import psutil
import psycopg
import pytest
from tests.api.test_processes import ask, deploy
from tests.changeovers.fix_orders import Orders, Shop, new_shop, ordering
from tests.fix_control_plane import ControlPlane, connect, make_home, remove_home, running_plane, wait_until
from tests.fix_things import Things, rows_of
from tests.trouble.apps import routers

SABOTEUR = Path(__file__).parents[1] / "saboteur"
POOLED = "DATABASE_CONNECTION_POOL_URL"
SEED = int(os.environ.get("CRASH_SEED", "0")) or date.today().toordinal()
"""What is left to chance follows from it; CRASH_SEED repeats a run."""
WITNESS_S = 0.01


def cases(every: Sequence[tuple[str, str]], *, always: Sequence[tuple[str, str]], by_chance: int) -> list[Any]:
    """As pytest parameters: `always` and some by chance run each time, all of them with `bin/test --long`."""
    chance = random.Random(SEED)  # noqa: S311 - chosen by chance, not secret
    left = [one for one in every if one not in always]
    chosen = {*always, *chance.sample(left, by_chance)}
    return [
        pytest.param(*one, id=f"{one[1]} at {one[0]}, seed {SEED}", marks=[] if one in chosen else [pytest.mark.long])
        for one in every
    ]


@dataclass
class Witness:
    """Somebody who writes to one side directly all the time, whatever the changeover is doing."""

    url: str
    numbers: Iterator[int]
    accepted: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Every acknowledged row: when it was sent, and when it was acknowledged."""

    def write(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                with connect(self.url, prepare_threshold=None) as database:
                    while not over.wait(WITNESS_S):
                        number, sent_at = next(self.numbers), monotonic()
                        database.execute("INSERT INTO orders (id) VALUES (%s)", [number])
                        self.accepted[number] = (sent_at, monotonic())
            except psycopg.Error:
                over.wait(WITNESS_S)


@contextmanager
def witnesses(source_url: str, target_url: str) -> Iterator[tuple[Witness, Witness]]:
    """At both sides; the target's comes in once it is a leader."""
    numbers, over = itertools.count(-1, -1), threading.Event()
    both = Witness(source_url, numbers), Witness(target_url, numbers)
    threads = [threading.Thread(target=one.write, args=[over]) for one in both]
    for thread in threads:
        thread.start()
    try:
        yield both
    finally:
        over.set()
        for thread in threads:
            thread.join()


@dataclass
class Ground:
    """A control plane to be broken, and a shop on it that goes on from one changeover to the next."""

    plane: ControlPlane
    things: Things
    order: Path
    """What the saboteur obeys."""
    standing: dict[str, Shop] = field(default_factory=dict)
    """By kind: `maintenance`, `pooled`, or `web`, which is one with dynos, moved by maintenance."""

    @contextmanager
    def shop(self, kind: str) -> Iterator[tuple[Shop, str]]:
        """With a fresh follower of its database. Kept for the next one, unless the test fails."""
        shop = self.standing.pop(kind, None) or self._new_shop(kind)
        with connect(shop.url()) as database:
            database.execute("TRUNCATE orders")
        source, target = shop.source, self.things.database(shop.app, follow=shop.source)["name"]
        yield shop, target
        self.things.api.request("DELETE", f"/apps/{shop.app}/addons/{source}", json={"force": True})
        shop.source = target
        self.standing[kind] = shop

    def _new_shop(self, kind: str) -> Shop:
        shop = new_shop(self.things)
        if kind == "pooled":
            self.plane.must("pg:connection-pooling:attach", "DATABASE_URL", "-a", shop.app)
        if kind == "web":
            assert deploy(self.things.api, shop.app).status_code == 201
            wait_until(lambda: answers(self.things, shop), what="the web dyno")
        return shop

    def pid(self, victim: str, shop: Shop, target: str) -> int:
        """0: whoever obeys the order, the worker itself."""
        if victim in ("worker", "frozen worker"):
            return 0
        if victim == "control-plane":
            return self.plane.child("control-plane").pid
        if victim == "state":
            return postmaster_in(self.plane.home / "state" / "data")
        if victim == "pooler":
            return self._pooler(shop)
        if victim == "router":
            [router] = routers(self.plane)
            return router.pid
        server = self.things.info(shop.source if victim == "source" else target)["formation"]["id"]
        return postmaster_in(self.plane.home / "servers" / server / "data")

    def _pooler(self, shop: Shop) -> int:
        port = int(shop.url(POOLED).rpartition(":")[2].partition("/")[0])
        with self.plane.state() as state:
            [[folder]] = state.execute("SELECT folder FROM poolers WHERE port = %s", [port]).fetchall()
        settings = str(Path(folder) / "pgbouncer.ini")
        [pid] = [one.pid for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [""])[-1] == settings]
        return int(pid)

    def sabotage(self, phase: str, victim: str, pid: int, how: str = "SIGKILL") -> Callable[[], float | None]:
        """Give the order; when it was obeyed, once it has been."""
        how = "SIGSTOP" if victim == "frozen worker" else how
        done = self.order.with_suffix(".done")
        done.unlink(missing_ok=True)
        fresh = self.order.with_suffix(".new")
        fresh.write_text("\t".join([phase, how, str(pid)]))
        fresh.rename(self.order)
        return lambda: float(done.read_text()) if done.exists() else None


def postmaster_in(folder: Path) -> int:
    return int((folder / "postmaster.pid").read_text().split()[0])


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    folder = make_home()
    for plane in running_plane(PYTHONPATH=str(SABOTEUR), SABOTAGE=str(folder / "order"), CHANGEOVER_FROZEN_AFTER="4"):
        with plane.client() as api:
            yield Ground(plane, Things(plane, api), folder / "order")
    remove_home(folder)


Strike = Callable[[Shop, str], Callable[[], float | None]]
"""Prepares the harm to a shop and its target before the changeover begins; what it returns says when it was done."""


def change_over_under(ground: Ground, kind: str, strike: Strike) -> Orders:
    """A whole changeover, with people who order and harm that is done. What they were told.

    Whatever was killed: one leader only, no acknowledged row is lost, the app's URL leads to the leader, and people
    get through again.
    """
    hold, variable = ("pooled", POOLED) if kind == "pooled" else ("maintenance", "DATABASE_URL")
    with ground.shop(kind) as (shop, target):
        source_url, target_url = shop.url(), ground.things.info(target)["resource_url"]
        struck = strike(shop, target)
        with (
            witnesses(source_url, target_url) as (at_source, at_target),
            ordering(shop, name=variable, clients=2) as orders,
        ):
            number = shop.begin(to=target, hold=hold)
            wait_until(struck, what=f"the harm to changeover {number}")
            seen = wait_until(lambda: ended(shop, number), what=f"the end of changeover {number}", timeout_s=90)
            assert seen["status"] == "done", seen

        assert_one_leader(at_source, at_target)
        found = shop.orders()
        for told in (orders.acknowledged, at_source.accepted, at_target.accepted):
            assert set(told) <= found
        assert_moved(ground, shop, target, source_url)
        assert shop.orders(variable) == shop.orders()
        if kind == "web":
            wait_until(lambda: answers(ground.things, shop), what="the app behind the router")
        return orders


def assert_one_leader(at_source: Witness, at_target: Witness) -> None:
    """Nothing that was sent to the source after the target had accepted its first row was accepted."""
    assert at_source.accepted
    assert at_target.accepted
    last_sent_to_source = max(sent_at for sent_at, _ in at_source.accepted.values())
    first_accepted_by_target = min(accepted_at for _, accepted_at in at_target.accepted.values())
    assert last_sent_to_source < first_accepted_by_target


def assert_moved(ground: Ground, shop: Shop, target: str, source_url: str) -> None:
    wait_until(lambda: is_refused(source_url), what="the fence")
    assert rows_of(ground.things.info(target))["Status"] == "Available"
    assert ground.things.info(target)["resource_url"] == shop.url()
    with connect(shop.url()) as database:
        assert database.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)


def answers(things: Things, shop: Shop) -> bool:
    """Its web dyno does, through the router: no page of ours, no other app."""
    try:
        answer = ask(things.api, shop.app)
    except (httpx2.TransportError, httpx2.InvalidURL):  # without a router, the app's URL has no port
        return False
    return answer.status_code == 200 and answer.text.startswith("web.1")


def ended(shop: Shop, number: int) -> dict[str, Any] | None:
    """The changeover when it is over; None also while there is nobody to ask."""
    try:
        seen = shop.look(number)
    except (httpx2.HTTPError, ValueError):
        return None
    return seen if seen.get("finished_at") else None


def is_refused(url: str) -> bool:
    """By the fence; a server that is just starting again refuses in other words."""
    try:
        connect(url).close()
    except psycopg.OperationalError as refused:
        return "rejects" in str(refused)
    pytest.fail("a login succeeded")
