"""A leader that the tests of trouble stand on, its servers from within, and ways to hold, stop and slow them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
import psycopg
from tests.fix_control_plane import ControlPlane, Typed, connect, is_dead, url_of, wait_until
from tests.fix_things import Things, rows_of
from tests.trouble.inventory import Inventory
from tests.trouble.test_crashes import run_of, start_following, stopped


@dataclass
class Ground:
    """A leader with some orders, attached to `app` as DATABASE."""

    things: Things
    app: str
    leader: str

    @property
    def plane(self) -> ControlPlane:
        return self.things.plane

    def follower(self) -> str:
        """A new one, that streams."""
        made = self.things.when_provisioned(start_following(self.things, self.app, self.leader))
        name: str = made["name"]
        wait_until(lambda: self.behind(name)["streaming"], what=f"{name} to stream")
        return name

    def behind(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.things.info(name)["behind_by"] or {"streaming": False, "lost": False}
        return found

    def rows(self, name: str) -> dict[str, str]:
        return rows_of(self.things.info(name))

    def typed(self, *words: str) -> Typed:
        return self.plane.typed(*words, "-a", self.app)

    def count_orders(self, name: str) -> int:
        with connect(self.things.info(name)["resource_url"]) as database:
            row = database.execute("SELECT count(*) FROM orders").fetchone()
        assert row is not None
        return int(row[0])

    def order(self, count: int) -> None:
        """That many commits on the leader, and as many rows."""
        with connect(self.things.info(self.leader)["resource_url"]) as database:
            for _ in range(count):
                database.execute("INSERT INTO orders VALUES (0)")

    def remove(self, *names: str) -> None:
        for name in names:
            gone = self.things.api.request("DELETE", f"/apps/{self.app}/addons/{name}", json={"force": True})
            assert gone.status_code == 200, gone.text


def break_ground(plane: ControlPlane, api: httpx2.Client) -> Ground:
    things = Things(plane, api)
    app = things.app()
    leader = things.database(app)["name"]
    with connect(url_of(plane, app)) as database:
        database.execute("CREATE TABLE orders (id int) WITH (autovacuum_enabled = off)")
        database.execute("INSERT INTO orders SELECT generate_series(1, 1000)")
    return Ground(things, app, leader)


def without_releases(found: Inventory) -> Inventory:
    """Attaching and detaching leave releases behind, as they should."""
    return dataclasses.replace(found, rows=tuple(row for row in found.rows if row[0] != "releases"))


def spaced(text: str) -> str:
    """On one line and with single spaces: columns are as wide as their widest row, and errors are indented."""
    return " ".join(text.replace("▸", " ").split())


@dataclass(frozen=True)
class Inside:
    """A server from within, as its host's operator sees it."""

    name: str
    data: Path
    sockets: str
    port: int

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=self.sockets, port=self.port, user="changeover", dbname="postgres", autocommit=True)

    def ask(self, *queries: str) -> Any:
        """The only value of the last one."""
        with self.connect() as server:
            for query in queries:
                found = server.execute(query)
            row = found.fetchone() if found.description else None
        return row[0] if row else None

    def process(self, title: str) -> psutil.Process | None:
        """The one of its processes that calls itself so."""
        for process in psutil.process_iter(["cmdline", "cwd"]):
            if process.info["cwd"] == str(self.data) and any(title in word for word in process.info["cmdline"] or []):
                return process
        return None

    def postmaster(self) -> psutil.Process:
        return psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))


def inside(plane: ControlPlane, addon: str) -> Inside:
    with plane.state() as state:
        row = state.execute(
            "SELECT servers.name, data_directory, socket_directory, servers.port FROM servers"
            " JOIN databases_seen ON server_name = servers.name WHERE addon_name = %s",
            [addon],
        ).fetchone()
    assert row is not None
    return Inside(row[0], Path(row[1]), row[2], row[3])


@contextmanager
def down(plane: ControlPlane, *servers: Inside) -> Iterator[None]:
    """Servers killed, and in our hand as in that of a run: the keeper starts them again once we let go."""
    with plane.state() as state:
        for server in servers:
            query = "SELECT pg_advisory_lock(hashtext('changeover.server'), hashtext(%s))"
            state.execute(query, [server.name])
            postmaster = server.postmaster()
            postmaster.kill()
            wait_until(functools.partial(is_dead, postmaster), what="the end of it")
        yield


@contextmanager
def copy_held(plane: ControlPlane, leader: str) -> Iterator[None]:
    """A base backup that begins now goes no further than waiting for its leader's checkpoint."""
    with stopped(lambda: inside(plane, leader).process("checkpointer")):
        yield


@contextmanager
def replay_paused(follower: Inside) -> Iterator[None]:
    """What the leader commits now is what the follower is behind by."""
    follower.ask("SELECT pg_wal_replay_pause()")
    wait_until(lambda: follower.ask("SELECT pg_get_wal_replay_pause_state()") == "paused", what="the pause")
    try:
        yield
    finally:
        follower.ask("SELECT pg_wal_replay_resume() WHERE pg_is_in_recovery()")


def ended(api: httpx2.Client, subject: str, kind: str = "follow") -> dict[str, Any] | None:
    run = run_of(api, subject, kind)
    return run if run["status"] in ("done", "failed") else None
