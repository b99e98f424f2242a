"""An installation that works, for tests in which something happens to it: who writes there, and what is under way."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
from tests.api.test_processes import deploy
from tests.changeovers.fix_crashes import Witness, postmaster_in
from tests.fix_control_plane import ControlPlane, connect, url_of, wait_until
from tests.fix_provider import Provider
from tests.fix_things import Things
from tests.trouble.apps import keepers, routers
from tests.trouble.grounds import inside
from tests.trouble.test_crashes import copying, start_following

from changeover.hosts.remains import others_over, servers_over, tasks_over

PHASES = ("idle", "base backup", "migrate")


@dataclass
class Scene:
    """An installation with one of each process, and the app that uses it."""

    plane: ControlPlane
    things: Things
    app: str
    leader: str

    def find(self, victim: str) -> psutil.Process | None:
        """None: there is none of it just now, such as a copy while nothing is copied."""
        plane, home = self.plane, self.plane.home
        pids: dict[str, Callable[[], int | None]] = {
            "parent": lambda: plane.process.pid if plane.process else None,
            "control-plane": lambda: plane.child("control-plane").pid,
            "worker": lambda: plane.child("worker").pid,
            "state": lambda: postmaster_in(home / "state" / "data"),
            "leader": lambda: inside(plane, self.leader).postmaster().pid,
            "router": lambda: next((one.pid for one in routers(plane)), None),
            "supervisord": lambda: next((one.pid for one in keepers(plane)), None),
            "copy": lambda: next((one.pid for one in tasks_over(home)), None),
            "pooler": lambda: next((one.pid for one in others_over(home) if one.program == "pgbouncer"), None),
            "log-keeper": lambda: next(
                (one.pid for one in others_over(home) if any("log_keeper" in word for word in one.arguments)), None
            ),
        }
        pid = pids[victim]()
        return psutil.Process(pid) if pid else None

    def recover(self) -> None:
        """As an operator would: a dead parent is started again, and all else comes back by itself."""
        assert self.plane.process is not None
        if self.plane.process.poll() is not None:
            self.plane.start()
            self.things.api.base_url = self.plane.url
        wait_until(self.plane.healthy, what="health to return", timeout_s=90)
        for victim in ("pooler", "router", "supervisord", "log-keeper"):
            wait_until(functools.partial(self.find, victim), what=f"the {victim}", timeout_s=60)


def working_on(plane: ControlPlane) -> Iterator[Scene]:
    """With an app, its leader and its pooler."""
    with plane.client() as api:
        things = Things(plane, api)
        app = things.app()
        leader = things.database(app)["name"]
        plane.must("pg:connection-pooling:attach", "DATABASE_URL", "-a", app)
        assert deploy(api, app).status_code == 201
        with connect(url_of(plane, app)) as database:
            database.execute("CREATE TABLE orders (id int)")
        scene = Scene(plane, things, app, leader)
        scene.recover()
        yield scene


@contextmanager
def ordering(scene: Scene) -> Iterator[Witness]:
    """Somebody writes to the leader all the time."""
    witness, over = Witness(url_of(scene.plane, scene.app), itertools.count(1)), threading.Event()
    with connect(witness.url) as database:
        database.execute("TRUNCATE orders")
    thread = threading.Thread(target=witness.write, args=[over])
    thread.start()
    try:
        yield witness
    finally:
        over.set()
        thread.join()


Finish = Callable[[], None]


def begin(phase: str, scene: Scene, provider: Provider) -> Finish:
    """Begin what is under way in that phase. What is returned waits for its end, and proves and removes what it made."""
    if phase == "idle":
        return lambda: None
    if phase == "base backup":
        follower = start_following(scene.things, scene.app, scene.leader)
        wait_until(lambda: copying(scene.plane), what="the copy")

        def finish_following() -> None:
            scene.things.when_provisioned(follower, timeout_s=120)
            gone = scene.things.api.request("DELETE", f"/apps/{scene.app}/addons/{follower}", json={"force": True})
            assert gone.status_code == 200, gone.text

        return finish_following
    source, target = provider.database(), provider.database()
    with source.database.connect() as session:
        session.execute("CREATE TABLE big AS SELECT i, repeat('x', 500) AS t FROM generate_series(1, 60000) AS i")
    with target.database.connect() as session:
        session.execute("DROP TABLE orders")
    scene.plane.environment |= {"OLD": source.url, "NEW": target.url}
    words = ("migrate", "env:OLD", "env:NEW", "--no-owners", "--yes")
    scene.plane.must(*words, "--detach")
    wait_until(lambda: tasks_over(scene.plane.home), what="the copy")

    def finish_migrating() -> None:
        wait_until(lambda: not unfinished(scene), what="the end of the migration", timeout_s=90)
        assert target.ask("SELECT count(*) FROM public.big") == [(60000,)]

    return finish_migrating


def unfinished(scene: Scene) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scene.things.api.get("/changeover/v1/runs").json()
    return [run for run in found if run["status"] not in ("done", "failed")]


def prove_nothing_lost(scene: Scene, witness: Witness) -> None:
    """Every acknowledged row is there; no run, program or server is left that was not there before."""
    with connect(witness.url) as database:
        found = {number for (number,) in database.execute("SELECT id FROM orders").fetchall()}
    assert set(witness.accepted) <= found
    wait_until(lambda: not unfinished(scene), what="the end of all runs", timeout_s=120)
    wait_until(lambda: not tasks_over(scene.plane.home), what="the end of all programs")
    postmasters = [one for one in servers_over(scene.plane.home) if "-D" in one.arguments]
    assert len(postmasters) == 2, "of the state, and of the leader"
