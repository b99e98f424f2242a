"""What is lost and what comes back: a bare dump where its keys are, a backup in another place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.fix_control_plane import ControlPlane, make_home, remove_home, url_of
from tests.fix_things import Things


def newest_dump(plane: ControlPlane) -> Path:
    return max((plane.home / "dumps").glob("*.dump"))


def test_the_newest_dump_brings_back_a_state_that_was_lost(own_plane: ControlPlane) -> None:
    with own_plane.client() as api:
        app = Things(own_plane, api).app()
        api.patch(f"/apps/{app}/config-vars", json={"KEY": "value"})
    own_plane.stop()
    shutil.rmtree(own_plane.home / "state")

    own_plane.must("restore", str(newest_dump(own_plane)))
    own_plane.start()

    with own_plane.client() as api:
        assert api.get(f"/apps/{app}/config-vars").json() == {"KEY": "value"}


def test_a_dump_is_refused_where_its_keys_are_missing(own_plane: ControlPlane) -> None:
    own_plane.stop()
    other = ControlPlane(make_home())
    try:
        typed = other.typed("restore", str(newest_dump(own_plane)))

        assert typed.exit_code == 1
        assert "without keys" in typed.stderr
        assert not (other.home / "state").exists()
    finally:
        remove_home(other.home)
    own_plane.start()


@pytest.mark.long
def test_a_database_whose_data_are_gone_with_the_former_home_can_be_replaced(
    own_plane: ControlPlane, tmp_path: Path
) -> None:
    """The home has another path, the former one still runs, and nobody touches what lies there."""
    with own_plane.client() as api:
        things = Things(own_plane, api)
        app = things.app()
        former = things.database(app)
    own_plane.must("backup", str(tmp_path / "saved"))
    other = ControlPlane(make_home())
    try:
        other.must("restore", str(tmp_path / "saved"), "--data-dir", str(other.home))
        other.start()
        assert "incomplete" in other.must("pg:info", "--app", app).stdout

        other.must("addons:create", "heroku-postgresql:standard-0", "--name", f"{app}-new", "--app", app, "--wait")
        other.must("pg:promote", f"{app}-new", "--app", app)
        other.must("addons:destroy", former["name"], "--app", app, "--confirm", app, "--wait")

        assert "Available" in other.must("pg:info", "--app", app).stdout
        assert "Available" in own_plane.must("pg:info", "--app", app).stdout
        assert url_of(other, app) != url_of(own_plane, app)
        assert other.stop() == 0
    finally:
        remove_home(other.home)
