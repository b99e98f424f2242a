"""Start, stop, leave running, back up and restore: the life of an installation."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import psutil
import psycopg
import pytest
from tests.fix_control_plane import ControlPlane, connect, make_home, remove_home, url_of, wait_until
from tests.fix_things import Things
from tests.trouble.inventory import take_inventory

from changeover.service.places import Places


@pytest.fixture
def lived_in(own_plane: ControlPlane) -> tuple[ControlPlane, str, str]:
    """An installation with an app and a database that has a row; with the database's URL."""
    with own_plane.client() as api:
        things = Things(own_plane, api)
        app = things.app()
        things.database(app)
    url = url_of(own_plane, app)
    with connect(url) as database:
        database.execute("CREATE TABLE orders AS SELECT 1 AS id")
    return own_plane, app, url


def count_orders(url: str) -> object:
    with connect(url) as database:
        return database.execute("SELECT count(*) FROM orders").fetchone()


def processes_of(home: Path) -> list[str]:
    """Everything that works in, or names, that folder."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline", "status"]):
        words = [process.info["cwd"] or "", *(process.info["cmdline"] or [])]
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(home) in word for word in words):
            found.append(" ".join(words))
    return found


def test_stopping_ends_every_process_and_starting_again_brings_all_back(
    lived_in: tuple[ControlPlane, str, str],
) -> None:
    plane, app, url = lived_in

    assert plane.stop() == 0
    assert processes_of(plane.home) == []
    assert not (plane.home / "endpoint.json").exists()
    with pytest.raises(psycopg.OperationalError):
        connect(url)

    plane.start()
    wait_until(lambda: answers(url), what="the database to be back")
    assert count_orders(url) == (1,)
    assert url_of(plane, app) == url


def answers(url: str) -> bool:
    try:
        connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_left_running_databases_go_on_and_are_adopted(lived_in: tuple[ControlPlane, str, str]) -> None:
    plane, _, url = lived_in
    plane.stop()
    plane.start("--leave-running")
    wait_until(lambda: answers(url), what="the database to be back")
    before = take_inventory(plane).postmasters

    plane.stop()
    assert count_orders(url) == (1,)
    plane.start()

    assert take_inventory(plane).postmasters == before


def test_stop_takes_down_what_was_left_running(lived_in: tuple[ControlPlane, str, str]) -> None:
    plane, _, url = lived_in
    plane.stop()
    plane.start("--leave-running")
    wait_until(lambda: answers(url), what="the database to be back")

    plane.must("stop")

    assert plane.process is not None
    plane.process.wait(10)
    plane.kill()
    assert processes_of(plane.home) == []


def test_stop_says_when_there_is_nothing_to_stop(own_plane: ControlPlane) -> None:
    own_plane.stop()

    typed = own_plane.typed("stop")

    assert typed.exit_code == 3
    assert "No control plane runs" in typed.stderr


def test_a_backup_holds_state_and_keys_and_opens_in_another_place(
    lived_in: tuple[ControlPlane, str, str], tmp_path: Path
) -> None:
    plane, app, url = lived_in
    file = tmp_path / "saved.tar.gz"
    with plane.client() as api:
        api.patch(f"/apps/{app}/config-vars", json={"KEY": "value"})

    plane.must("backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other = ControlPlane(make_home())
    try:
        other.must("restore", str(file), "--data-dir", str(other.home))
        assert other.token == plane.token
        other.start()
        with other.client() as api:
            assert api.get(f"/apps/{app}/config-vars").json() == {"DATABASE_URL": url, "KEY": "value"}
        other.stop()
    finally:
        remove_home(other.home)


def test_a_restore_never_replaces_a_state_that_is_there(
    lived_in: tuple[ControlPlane, str, str], tmp_path: Path
) -> None:
    plane, app, _ = lived_in
    file = tmp_path / "saved.tar.gz"
    plane.must("backup", str(file))

    typed = plane.typed("restore", str(file))

    assert typed.exit_code == 1
    assert "already has a state" in typed.stderr
    with plane.client() as api:
        assert api.get(f"/apps/{app}").status_code == 200


def test_a_file_that_is_no_backup_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "wrong.tar.gz"
    file.write_text("no archive")
    plane = ControlPlane(make_home())
    try:
        typed = plane.typed("restore", str(file))

        assert typed.exit_code == 1
        assert "not a backup" in typed.stderr
        assert not (plane.home / "state").exists()
    finally:
        remove_home(plane.home)


def test_every_clean_stop_leaves_a_dump_of_the_state(own_plane: ControlPlane) -> None:
    dumps = own_plane.home / "dumps"
    wait_until(lambda: list(dumps.glob("*.dump")), what="the daily dump, so that none comes in between")
    asked = time.time()

    own_plane.stop()

    dump = max(dumps.glob("*.dump"), key=lambda one: one.stat().st_mtime)
    assert dump.stat().st_mtime >= asked
    assert dump.read_bytes().startswith(b"PGDMP")
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    own_plane.start()


def test_a_state_of_a_postgresql_that_is_gone_is_refused_with_the_way_back(own_plane: ControlPlane) -> None:
    own_plane.stop()
    version = own_plane.home / "state/data/PG_VERSION"
    former = version.read_text()
    version.write_text("9\n")

    typed = own_plane.typed("server", "--listen", "127.0.0.1:0")

    version.write_text(former)
    assert typed.exit_code == 1
    assert "PostgreSQL 9 created" in typed.stderr
    assert "changeover restore" in typed.stderr
    own_plane.start()


def test_secrets_and_sockets_are_closed_to_others(lived_in: tuple[ControlPlane, str, str]) -> None:
    plane, _, _ = lived_in
    places = Places(plane.home)

    for path in (places.operator_token, places.keys, places.ca / "ca.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in places.sockets.iterdir():
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert len(os.fsencode(folder / ".s.PGSQL.65535")) < 100
