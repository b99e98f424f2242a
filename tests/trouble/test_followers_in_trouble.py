"""Followers that can't be made, fall behind, are down or are asked for too much: said plainly, and nothing half-made stays."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.fix_control_plane import (
    CLI,
    ControlPlane,
    Typed,
    connect,
    is_dead,
    make_home,
    remove_home,
    url_of,
    wait_until,
)
from tests.fix_things import STANDARD, unique
from tests.trouble.grounds import (
    Ground,
    Inside,
    break_ground,
    copy_held,
    down,
    ended,
    inside,
    replay_paused,
    spaced,
    without_releases,
)
from tests.trouble.inventory import Inventory, take_inventory
from tests.trouble.test_crashes import copying, run_of, start_following, stopped

MB = 1024 * 1024


@pytest.fixture(scope="module")
def ground(module_plane: ControlPlane) -> Iterator[Ground]:
    with module_plane.client() as api:
        yield break_ground(module_plane, api)


@pytest.fixture
def before(ground: Ground) -> Inventory:
    return take_inventory(ground.plane)


# -- a follower that does not fit on the disk


@pytest.fixture
def small_plane() -> Iterator[ControlPlane]:
    """A control plane with a disk of its own, which is small."""
    home = make_home()
    mount = ["mount", "-t", "tmpfs", "-o", "size=800m,mode=0711", "none", str(home)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        home.rmdir()
        pytest.skip("needs root, to mount a small disk")
    plane = ControlPlane(home)
    try:
        plane.start()
        yield plane
        assert plane.stop() == 0
    finally:
        subprocess.run(["umount", "--lazy", str(home)], check=True)
        remove_home(home)


def shrink_disk(home: Path, *, leave_bytes: int) -> None:
    """From now on so much is free, as though others had taken the rest."""
    status = os.statvfs(home)
    used = (status.f_blocks - status.f_bfree) * status.f_frsize
    subprocess.run(["mount", "-o", f"remount,size={used + leave_bytes}", str(home)], check=True)


@pytest.fixture
def small(small_plane: ControlPlane) -> Iterator[Ground]:
    """A leader that takes more than 60 MB of a small disk."""
    with small_plane.client() as api:
        ground = break_ground(small_plane, api)
        with connect(url_of(small_plane, ground.app)) as database:
            database.execute("CREATE TABLE filler AS SELECT repeat(md5(i::text), 30) FROM generate_series(1, 60000) i")
        yield ground


def test_a_follower_that_does_not_fit_on_the_disk_is_not_begun(small: Ground) -> None:
    before = take_inventory(small.plane)
    shrink_disk(small.plane.home, leave_bytes=150 * MB)

    name = start_following(small.things, small.app, small.leader)
    run = wait_until(lambda: ended(small.things.api, name), what="the run to end")

    assert (run["status"], run["error"]["id"]) == ("failed", "disk_full")
    assert "does not fit on the disk" in run["error"]["what"]
    assert_nothing_came_of_it(small, before, name, run)


def test_a_copy_ends_before_the_disk_is_full_for_its_leader_too(small: Ground) -> None:
    before = take_inventory(small.plane)
    with ExitStack() as held:
        held.enter_context(copy_held(small.plane, small.leader))
        name = start_following(small.things, small.app, small.leader)
        wait_until(lambda: copying(small.plane), what="the copy to begin")
        commands = [
            held.enter_context(begun(small.plane, words, name, "-a", small.app)) for words in ("pg:wait", "addons:wait")
        ]
        shrink_disk(small.plane.home, leave_bytes=40 * MB)
        run = wait_until(lambda: ended(small.things.api, name), what="the run to end")
        said = [(spaced(command.communicate(timeout=30)[0]), command.returncode) for command in commands]

    reason = spaced(run["error"]["message"])
    assert (run["status"], run["error"]["id"]) == ("failed", "disk_full")
    assert "was stopped before it filled the disk" in run["error"]["what"]
    assert [(reason in text, exit_code) for text, exit_code in said] == [(True, 1), (True, 1)], said
    assert_nothing_came_of_it(small, before, name, run)


@contextmanager
def begun(plane: ControlPlane, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that waits for something, and has said so."""
    with subprocess.Popen(
        [*CLI, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=plane.surroundings()
    ) as command:
        try:
            assert command.stdout is not None
            assert command.stdout.read(1)
            yield command
        finally:
            command.kill()


def assert_nothing_came_of_it(small: Ground, before: Inventory, name: str, run: dict[str, Any]) -> None:
    late = small.typed("addons:wait", name)
    assert f"bytes are free on the disk of {small.plane.home}/servers/" in run["error"]["why"]
    assert "Free some space there" in run["error"]["fix"]
    assert (late.exit_code, spaced(run["error"]["message"]) in spaced(late.stderr)) == (1, True), late.stderr
    assert without_releases(take_inventory(small.plane)) == without_releases(before)
    small.order(10)
    assert small.count_orders(small.leader) == 1010


# -- a follower that was away for too long


def test_a_follower_away_for_longer_than_its_leader_keeps_the_log_is_lost_and_can_go(ground: Ground) -> None:
    lost, other = ground.follower(), ground.follower()
    leader = inside(ground.plane, ground.leader)
    with down(ground.plane, inside(ground.plane, lost), inside(ground.plane, other)):
        let_go_of_the_log(leader)
    wait_until(lambda: ground.behind(lost)["lost"] and ground.behind(other)["lost"], what="both to be lost")

    info = ground.typed("pg:info", lost).stdout
    assert "Behind By:" in info
    assert "lost (the leader no longer has the log that it needs)" in info
    assert "It can never catch up. Destroy it and create a new follower." in info
    assert ground.typed("pg:info", lost, "--json").json["behind_by"]["lost"] is True

    freed = ground.things.api.put(f"/client/v11/databases/{other}/unfollow")
    assert freed.status_code == 200, freed.text
    assert "lost its connection to the leader and" in freed.headers["X-Heroku-Warning"]
    ground.remove(lost, other)
    ground.order(1)
    assert ground.rows(ground.leader)["Status"] == "Available"
    assert take_inventory(ground.plane).slots == frozenset()


def let_go_of_the_log(leader: Inside) -> None:
    """The leader writes a lot, and keeps little of it for its followers."""
    leader.ask("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "ALTER SYSTEM SET wal_keep_size = 0",
               "SELECT pg_reload_conf()")  # fmt: skip
    with leader.connect() as server:
        wait_until(lambda: server.execute("SHOW wal_keep_size").fetchone() == ("0",), what="the settings to be read")
    for _ in range(5):
        leader.ask("SELECT pg_logical_emit_message(false, 'test', 'more')", "SELECT pg_switch_wal()")
    leader.ask("CHECKPOINT")
    leader.ask("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")


# -- a worker that slept


def test_a_worker_that_slept_while_another_took_over_changes_nothing_when_it_wakes(ground: Ground) -> None:
    follower = ground.follower()
    server = inside(ground.plane, follower)
    with ThreadPoolExecutor(1) as threads:
        with stopped(lambda: server.process("startup")):
            asked = threads.submit(ground.things.api.put, f"/client/v11/databases/{follower}/unfollow")
            wait_until((server.data / "promote").exists, what="the promotion to begin")
            sleeper = ground.plane.child("worker")
            sleeper.send_signal(signal.SIGSTOP)
            successor = drive_here(ground.plane, run_of(ground.things.api, follower, "unfollow")["id"])
            wait_until(lambda: run_of(ground.things.api, follower, "unfollow")["epoch"] == 2, what="the take-over")
        successor.result(30)
        assert asked.result().status_code == 200
    finished = run_of(ground.things.api, follower, "unfollow")
    with connect(ground.things.info(follower)["resource_url"]) as database:
        database.execute("INSERT INTO orders VALUES (0)")
    seen = (finished, take_inventory(ground.plane), ground.count_orders(follower))

    sleeper.send_signal(signal.SIGCONT)
    wait_until(lambda: is_dead(sleeper), what="the former worker to go")
    wait_until(lambda: ground.plane.healthy() and ground.plane.child("worker").pid != sleeper.pid, what="the next one")

    again = run_of(ground.things.api, follower, "unfollow")
    assert (finished["status"], [note["epoch"] for note in finished["journal"]]) == ("done", [2, 2, 2])
    assert (again, take_inventory(ground.plane), ground.count_orders(follower)) == seen
    ground.remove(follower)


def drive_here(plane: ControlPlane, run_id: int) -> Any:
    """Another driver, here in the test: all that the sleeping worker holds in our state is taken from it first."""
    from changeover.platform.workflows import workflows
    from changeover.runs.driver import Driver
    from changeover.runs.ticks import Ticks
    from changeover.service.composition import connect_state, make_parts
    from changeover.service.places import Places
    from changeover.service.state import State
    from changeover.settings import Settings

    settings = dataclasses.replace(Settings.read(), home=plane.home)
    places = Places(plane.home)
    state = State(places, settings)
    parts = make_parts(places, settings, Ticks(state.conninfo, host=settings.host_name))
    with plane.state() as db:
        db.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid IN"
            " (hashtext('changeover.run')::bit(32)::bigint::oid, hashtext('changeover.worker')::bit(32)::bigint::oid)"
        )
    driver = Driver(lambda: connect_state(state), workflows(parts))
    return ThreadPoolExecutor(1).submit(asyncio.run, driver.drive(run_id))


# -- too early, twice, or of what is down


def promote_by_cli(ground: Ground, name: str, *options: str) -> tuple[int, str, str]:
    typed = ground.typed("pg:promote", "--json", *options, name)
    return typed.exit_code, typed.json["id"], typed.json["what"]


def promote_by_api(ground: Ground, name: str) -> tuple[int, str, str]:
    """As the official CLI does it."""
    body = {"app": {"name": ground.app}, "addon": {"name": name}, "name": "DATABASE", "confirm": ground.app}
    answer = ground.things.api.post("/addon-attachments", json=body)
    return answer.status_code, answer.json()["id"], answer.json()["what"]


def test_a_database_that_is_being_made_is_not_promoted(ground: Ground) -> None:
    url = url_of(ground.plane, ground.app)
    with copy_held(ground.plane, ground.leader):
        name = start_following(ground.things, ground.app, ground.leader)
        wait_until(lambda: copying(ground.plane), what="the copy to begin")
        before = take_inventory(ground.plane)

        assert promote_by_cli(ground, name) == (
            1, "not_available", "Database cannot be promoted while in state: provisioning",
        )  # fmt: skip
        assert promote_by_cli(ground, name, "--force") == (1, "not_available", f"{name} can't be attached now.")
        assert promote_by_api(ground, name) == (409, "not_available", f"{name} can't be attached now.")

        assert take_inventory(ground.plane) == before
        assert url_of(ground.plane, ground.app) == url
    ground.things.when_provisioned(name)
    ground.remove(name)


def test_unfollowing_what_is_down_is_refused_with_the_reason(ground: Ground) -> None:
    follower = ground.follower()
    with down(ground.plane, inside(ground.plane, follower)):
        refused = ground.typed("pg:unfollow", "--json", follower, "--confirm", ground.app)

        assert (refused.exit_code, refused.json["id"]) == (1, "unfollow_refused")
        assert "Its process ended without a shutdown" in refused.json["why"]
        assert "pg:info" in refused.json["fix"]
        assert "Unavailable (Its process ended" in ground.typed("pg:info", follower).stdout
    wait_until(lambda: ground.behind(follower)["streaming"], what="it to follow again")
    ground.remove(follower)


def test_unfollowing_what_is_behind_warns_with_the_number_of_commits(ground: Ground) -> None:
    follower = ground.follower()
    with replay_paused(inside(ground.plane, follower)):
        ground.order(7)
        wait_until(lambda: ground.behind(follower)["commits"] == 7, what="it to be behind")

        freed = ground.typed("pg:unfollow", follower, "--confirm", ground.app)

    assert freed.exit_code == 0, freed.everything
    assert f"{follower} was still 7 commits behind {ground.leader}" in " ".join(freed.stderr.split())
    assert ground.rows(follower).get("Following") is None
    ground.remove(follower)


def test_the_same_name_asked_for_twice_at_once_is_given_once_and_destroyed_once(
    ground: Ground, before: Inventory
) -> None:
    name = unique("twins")

    def create(_number: int) -> Typed:
        return ground.typed("addons:create", "--json", STANDARD, "--name", name)

    def destroy(_number: int) -> httpx2.Response:
        with ground.plane.client() as client:
            return client.request("DELETE", f"/apps/{ground.app}/addons/{name}", json={})

    with ThreadPoolExecutor(4) as threads:
        made, refused = sorted(threads.map(create, range(2)), key=lambda typed: typed.exit_code)
        assert (made.exit_code, made.json["name"]) == (0, name)
        assert (refused.exit_code, refused.json["id"]) == (1, "name_taken")
        ground.things.when_provisioned(name)
        answers = [answer.status_code for answer in threads.map(destroy, range(4))]

    assert 200 in answers
    assert set(answers) <= {200, 404}
    assert without_releases(take_inventory(ground.plane)) == without_releases(before)


# -- behind by


def test_behind_by_counts_true_commits_and_falls_to_nought(ground: Ground) -> None:
    follower = ground.follower()
    with replay_paused(inside(ground.plane, follower)):
        with connect(ground.things.info(ground.leader)["resource_url"]) as database:
            for statement in MIXED:
                database.execute(statement)

        assert f"Behind By: {COMMITS} commits" in spaced(ground.typed("pg:info", follower).stdout)
    wait_until(
        lambda: "Behind By: 0 commits" in spaced(ground.typed("pg:info", follower).stdout), what="it to catch up"
    )
    assert ground.count_orders(follower) == ground.count_orders(ground.leader)
    ground.remove(follower)


ABORTED = "DO 'BEGIN INSERT INTO orders VALUES (1); ROLLBACK; END'"
SUBTRANSACTIONS = (
    "DO 'BEGIN FOR i IN 1..9 LOOP BEGIN INSERT INTO orders VALUES (i); PERFORM 1 / (i % 3);"
    " EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END'"
)
EACH = "DO 'BEGIN FOR i IN 1..20 LOOP INSERT INTO orders VALUES (i); COMMIT; END LOOP; END'"
EMPTIED = "DELETE FROM orders WHERE id > 500"
MIXED = [EACH, ABORTED, SUBTRANSACTIONS, "VACUUM orders", EACH, ABORTED, EMPTIED, "VACUUM (TRUNCATE) orders", EACH]
COMMITS = 3 * 20 + 1 + 1
