"""A home that is deleted, moved or copied: nothing goes on without it, and nothing of the original is touched."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.api.test_processes import deploy
from tests.fix_control_plane import ControlPlane, connect, make_home, remove_home, url_of, wait_until
from tests.fix_things import Things
from tests.service.test_lifecycle import answers, processes_of
from tests.trouble.apps import routers
from tests.trouble.inventory import take_inventory

from changeover.service.places import Places


@pytest.fixture(scope="module")
def plane(module_plane: ControlPlane) -> ControlPlane:
    """With a database, a pooler, a router and a dyno: every kind of process that there is."""
    with module_plane.client() as api:
        app = Things(module_plane, api).app()
        Things(module_plane, api).database(app)
        module_plane.must("pg:connection-pooling:attach", "DATABASE_URL", "-a", app)
        assert deploy(api, app).status_code == 201
    return module_plane


def app_of(plane: ControlPlane) -> str:
    with plane.client() as api:
        name: str = api.get("/apps").json()[0]["name"]
        return name


def test_a_copy_is_refused_and_leaves_the_original_alone(plane: ControlPlane) -> None:
    before = take_inventory(plane).postmasters
    copy = make_home()
    shutil.rmtree(copy)
    subprocess.run(["cp", "-a", str(plane.home), str(copy)], check=True)
    try:
        for words in (["server", "--listen", "127.0.0.1:0"], ["stop"], ["backup", str(copy / "saved.tar")]):
            typed = plane.typed(*words, "--data-dir", str(copy))

            assert typed.exit_code != 0
            assert f"The home {copy} is a copy of {plane.home}" in typed.everything
            assert "changeover restore FILE" in typed.everything
        assert processes_of(copy) == []
        assert take_inventory(plane).postmasters == before
        with connect(url_of(plane, app_of(plane))) as database:
            assert database.execute("SELECT 1").fetchone() == (1,)
    finally:
        remove_home(copy)


def test_a_home_that_is_moved_while_it_runs_ends_is_refused_elsewhere_and_goes_on_at_its_place(
    plane: ControlPlane,
) -> None:
    app, elsewhere = app_of(plane), plane.home.with_name(plane.home.name + "-moved")
    with connect(url_of(plane, app)) as database:
        database.execute("CREATE TABLE kept AS SELECT 1 AS id")

    plane.home.rename(elsewhere)
    try:
        assert plane.wait() == 1
        assert processes_of(plane.home) + processes_of(elsewhere) == []
        typed = ControlPlane(elsewhere).typed("server", "--listen", "127.0.0.1:0")
        assert typed.exit_code == 1
        assert f"was moved from {plane.home}" in typed.stderr
        assert f"mv {elsewhere} {plane.home}" in typed.stderr
    finally:
        elsewhere.rename(plane.home)
    plane.start()

    url = url_of(plane, app)
    wait_until(lambda: answers(url), what="the database to be back")
    with connect(url) as database:
        assert database.execute("SELECT * FROM kept").fetchone() == (1,)


def is_removed(home: Path) -> bool:
    """Removing a folder fails where a process makes a file in it meanwhile."""
    shutil.rmtree(home, ignore_errors=True)
    return not home.exists()


def test_without_its_home_everything_ends(plane: ControlPlane) -> None:
    wait_until(lambda: len(routers(plane)) == 1, what="the router")

    wait_until(lambda: is_removed(plane.home), what="the removal of a home that is still written to")
    assert plane.wait() == 1

    assert processes_of(plane.home) == []
    assert not Places(plane.home).sockets.exists()
