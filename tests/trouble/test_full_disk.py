"""A full disk: every command says what it is and where, nothing stays half-made, and all goes on once there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.changeovers.fix_crashes import postmaster_in
from tests.fix_control_plane import ControlPlane, Typed, make_home, remove_home, url_of, wait_until
from tests.fix_things import STANDARD
from tests.trouble.grounds import Ground, break_ground, spaced, without_releases
from tests.trouble.inventory import take_inventory

SIZE = "800m"
BLOCK = b"\0" * 4096


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    """A leader whose home is on a small disk of its own."""
    home = make_home()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0711", "none", str(home)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        home.rmdir()
        pytest.skip("needs root, to mount a small disk")
    plane = ControlPlane(home)
    try:
        plane.start()
        with plane.client() as api:
            yield break_ground(plane, api)
        assert plane.stop() == 0
    finally:
        subprocess.run(["umount", "--lazy", str(home)], check=True)
        remove_home(home)


@contextmanager
def full(home: Path) -> Iterator[None]:
    """Not a byte is left on the disk of `home`, for as long as the block takes."""
    status = os.statvfs(home)
    used = (status.f_blocks - status.f_bfree) * status.f_frsize
    subprocess.run(["mount", "-o", f"remount,size={used + len(BLOCK)}", str(home)], check=True)
    filler = home / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            while True:
                file.write(BLOCK)
    except OSError:
        pass  # it is full now
    try:
        yield
    finally:
        filler.unlink()
        subprocess.run(["mount", "-o", f"remount,size={SIZE}", str(home)], check=True)


def assert_says_full(typed: Typed, home: Path) -> None:
    said = spaced(typed.everything)
    assert typed.exit_code == 1, said
    assert "full" in said, said
    assert f"No space was left for {home}" in said, said
    assert "bytes are free" in said
    assert "Free some space there" in said
    assert "bug" not in said
    assert "Traceback" not in said


def test_a_full_disk_is_named_by_every_command_and_leaves_nothing_behind(ground: Ground, tmp_path: Path) -> None:
    home, things, app = ground.plane.home, ground.things, ground.app
    before = take_inventory(ground.plane)

    with full(home):
        assert_says_full(ground.typed("config:set", f"BIG={'x' * 100_000}"), home)
        assert_says_full(ground.typed("addons:create", STANDARD, "--wait"), home)
        assert_says_full(ground.typed("pg:backups:capture"), home)
        assert_says_full(ground.plane.typed("backup", str(home / "saved.tar")), home)
        saved = ground.plane.typed("backup", str(tmp_path / "saved.tar"))
        assert saved.exit_code == 0, saved.everything

    wait_until(
        lambda: without_releases(take_inventory(ground.plane)) == without_releases(before),
        timeout_s=60,
        what="the removal of what was half-made, for which there is room now",
    )
    assert not list(home.glob("*saved.tar*"))
    ground.plane.must("config:set", "SMALL=1", "-a", app)
    ground.remove(things.database(app)["name"])
    assert ground.count_orders(ground.leader) == 1000


def test_a_state_that_died_of_a_full_disk_is_reported_and_comes_back_with_the_room(ground: Ground) -> None:
    plane = ground.plane

    with full(plane.home):
        psutil.Process(postmaster_in(plane.home / "state" / "data")).kill()
        wait_until(lambda: ground.things.api.get("/apps").status_code == 507, what="the truth about the state")
        assert_says_full(ground.typed("config:set", "A=1"), plane.home)
        assert plane.process is not None
        assert plane.process.poll() is None

    wait_until(plane.healthy, what="health to return")
    said = (plane.home / "log/parent.log").read_text()
    assert "the state's PostgreSQL had ended; it was started again" in said
    assert ground.count_orders(ground.leader) == 1000
    assert url_of(plane, ground.app)
