"""An app that runs on a control plane, what its dynos are as processes, and a crowd that keeps asking it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
from tests.fix_control_plane import ControlPlane, Typed, wait_until
from tests.fix_things import unique
from tests.runtime.router.fix_router import WEB_DYNO, Crowd

from changeover.hosts.processes import Process
from changeover.runtime.dynos.places import MARK
from changeover.runtime.dynos.places import Places as DynoPlaces
from changeover.runtime.dynos.programs import LAUNCHER
from changeover.runtime.dynos.supervising import supervisors
from changeover.runtime.router import Address, RouterPlaces
from changeover.runtime.router.program import routers_of
from changeover.service.places import Places

PROCFILE = f"""\
web: exec python3 {WEB_DYNO.name} $PORT $DYNO
worker: exec python3 -uc "import time; any(print('working') or time.sleep(0.2) for _ in iter(int, 1))"
"""
"""Each dyno is one process."""
WITH_PHASE = f"{PROCFILE}release: sleep 0.3; echo migrated\n"


@dataclass
class App:
    """One of `plane`'s, by name. Type commands about it, look at it from outside and from below."""

    plane: ControlPlane
    name: str

    def must(self, *words: str) -> Typed:
        return self.plane.must(*words, "-a", self.name)

    def typed(self, *words: str) -> Typed:
        return self.plane.typed(*words, "-a", self.name)

    def deploy(self, procfile: str = PROCFILE, **files: str) -> Typed:
        """The command's end, good or bad. `files`: further ones, with `_` for the dot in their names."""
        folder = Path(tempfile.mkdtemp(prefix="co-"))
        try:
            shutil.copy(WEB_DYNO, folder)
            (folder / "Procfile").write_text(procfile)
            for name, text in files.items():
                (folder / name.replace("_", ".")).write_text(text)
            return self.typed("deploy", str(folder))
        finally:
            shutil.rmtree(folder)

    def record(self) -> dict[str, Any]:
        with self.plane.client() as api:
            found: dict[str, Any] = api.get(f"/apps/{self.name}").json()
        return found

    def states(self) -> dict[str, str]:
        with self.plane.client() as api:
            return {dyno["name"]: dyno["state"] for dyno in api.get(f"/apps/{self.name}/dynos").json()}

    def until(self, **wanted: str) -> None:
        """Exactly these dynos, in these states: `web_1="up"`."""
        states = {name.replace("_", "."): state for name, state in wanted.items()}
        wait_until(lambda: self.states() == states, what=f"{states}; seen: {self.states()}")

    def pids(self) -> dict[str, set[int]]:
        """Every process of each dyno, by the mark that it carries."""
        return pids_of(self.plane, str(self.record()["id"]))

    def said(self, *words: str) -> str:
        return self.must("logs", "-n", "1500", *words).stdout

    def until_said(self, text: str, **patience: float) -> None:
        wait_until(lambda: text in self.said(), what=text, **patience)

    @property
    def address(self) -> Address:
        """Of the router."""
        port = httpx2.URL(self.record()["web_url"]).port
        assert port is not None
        return Address("127.0.0.1", port)

    def visit(self, path: str = "/") -> httpx2.Response:
        host = f"{self.name}.localhost:{self.address.port}"
        return httpx2.get(f"http://{self.address}{path}", headers={"Host": host}, timeout=30)

    def until_it_answers(self, status: int = 200) -> None:
        def answers() -> bool:
            try:
                return self.visit().status_code == status
            except httpx2.ConnectError:  # the router does not listen yet
                return False

        wait_until(answers, what=f"{status} from {self.name}")

    @contextmanager
    def crowd(self, *, per_second: int = 200, people: int = 16) -> Iterator[Crowd]:
        """People who ask as long as the block lasts, in a thread of their own."""
        crowd = Crowd(self.address, per_second, people, f"{self.name}.localhost")
        is_over = threading.Event()

        async def ask() -> None:
            async with crowd.asking():
                await asyncio.to_thread(is_over.wait)

        thread = threading.Thread(target=lambda: asyncio.run(ask()))
        thread.start()
        try:
            wait_until(lambda: crowd.asked > people, what="the crowd")
            yield crowd
        finally:
            is_over.set()
            thread.join()


def pids_of(plane: ControlPlane, app_id: str) -> dict[str, set[int]]:
    prefix = f"{dyno_places(plane).identity}/{app_id}/"
    found = defaultdict(set)
    for process in psutil.process_iter():
        try:
            mark = process.environ().get(MARK, "")
            is_alive = process.status() != psutil.STATUS_ZOMBIE and str(LAUNCHER) not in process.cmdline()
        except psutil.Error:
            continue
        if is_alive and mark.startswith(prefix):
            found[mark.removeprefix(prefix).split("/")[0]].add(process.pid)
    return dict(found)


def dyno_places(plane: ControlPlane) -> DynoPlaces:
    return DynoPlaces(plane.home, Places(plane.home).sockets)


def routers(plane: ControlPlane) -> list[Process]:
    places = Places(plane.home)
    return routers_of(RouterPlaces(places.router, places.sockets))


def keepers(plane: ControlPlane) -> list[Process]:
    """The supervisord, or none."""
    return supervisors(dyno_places(plane))


def a_running_app(plane: ControlPlane) -> App:
    """Two web dynos that answer and a worker."""
    app = App(plane, unique("shop"))
    plane.must("apps:create", app.name)
    deployed = app.deploy()
    assert deployed.exit_code == 0, deployed.everything
    app.must("ps:scale", "web=2", "worker=1")
    app.until(web_1="up", web_2="up", worker_1="up")
    wait_until((plane.home / "router/listening").exists, what="the router")
    app.until_it_answers()
    return app
