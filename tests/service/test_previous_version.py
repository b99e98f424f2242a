"""An upgrade and the way back: the previous version works on a home that this version has migrated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.fix_control_plane import ControlPlane, Typed, make_home, remove_home
from tests.fix_previous import sources_of
from tests.fix_things import ESSENTIAL, Things

PREVIOUS = "ccb2f20"
"""The commit before the tables of the state moved into a schema of their own."""


@pytest.fixture(scope="module")
def previous_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sources_of(PREVIOUS, tmp_path_factory.mktemp("previous"))


@pytest.fixture
def home() -> Iterator[Path]:
    home = make_home()
    yield home
    remove_home(home)


class Versions:
    """One home, served by one version after the other."""

    def __init__(self, home: Path, previous_sources: Path) -> None:
        self.new = ControlPlane(home)
        self.old = ControlPlane(home, {"PYTHONPATH": str(previous_sources)})

    def order_and_die(self, plane: ControlPlane, app: str) -> str:
        """Begin an add-on, and kill everything before its run gets anywhere; the add-on's name."""
        worker = plane.child("worker")
        worker.suspend()
        with plane.client() as api:
            made = api.post(f"/apps/{app}/addons", json={"plan": {"name": ESSENTIAL}, "attachment": {}})
        assert made.status_code == 201, made.text
        control_plane = plane.child("control-plane")
        plane.kill()
        for process in (worker, control_plane):
            with suppress(psutil.NoSuchProcess):  # it has noticed that its parent is gone
                process.kill()
        _, alive = psutil.wait_procs([worker, control_plane], timeout=10)
        assert alive == []
        name: str = made.json()["name"]
        return name


def typed(plane: ControlPlane, *words: str) -> Typed:
    done = plane.typed(*words)
    assert done.exit_code == 0, f"{words}: {done.everything}\n{plane.logs()}"
    return done


def use(plane: ControlPlane, app: str, addon: str, *, unfinished: str) -> None:
    """What an operator does who went back: finish the run in progress, look, set config."""
    with plane.client() as api:
        Things(plane, api).when_provisioned(unfinished)
        assert api.get("/apps").status_code == 200
    assert "Status" in typed(plane, "pg:info", addon, "--app", app).stdout
    typed(plane, "config:set", f"SERVED_BY={plane.environment.get('PYTHONPATH', 'this version')}", "--app", app)
    assert "SERVED_BY" in typed(plane, "config", "--app", app).stdout
    assert unfinished in typed(plane, "runs").stdout


def test_the_previous_version_runs_on_the_state_of_this_one_and_this_one_again_after_it(
    home: Path, previous_sources: Path
) -> None:
    versions = Versions(home, previous_sources)
    new, old = versions.new, versions.old
    new.start()
    with new.client() as api:
        things = Things(new, api)
        app = things.app()
        first = things.database(app, ESSENTIAL)["name"]
    begun_by_new = versions.order_and_die(new, app)
    new.must("stop")  # as operations.md says: as root it gives the state back to the user that the old one runs it as

    old.start()
    assert old.child("worker").environ()["PYTHONPATH"] == str(previous_sources)
    use(old, app, first, unfinished=begun_by_new)
    assert old.stop() == 0, old.logs()
    old.start()
    begun_by_old = versions.order_and_die(old, app)

    new.start()
    use(new, app, first, unfinished=begun_by_old)
    assert new.stop() == 0, new.logs()
