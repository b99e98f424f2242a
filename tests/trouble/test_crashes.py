"""SIGKILL of our processes in the middle of long work: it is taken over and finished, or undone; nothing stays half-made."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from tests.fix_control_plane import ControlPlane, connect, is_dead, url_of, wait_until
from tests.fix_things import STANDARD, Things, rows_of
from tests.trouble.inventory import processes, take_inventory

VICTIMS = ("worker", "control-plane")


@pytest.fixture
def ground(own_plane: ControlPlane) -> Iterator[tuple[Things, str, str]]:
    """A leader with some rows, on a control plane of the test's own."""
    with own_plane.client() as api:
        things = Things(own_plane, api)
        app = things.app()
        leader = things.database(app)["name"]
        with connect(url_of(own_plane, app)) as database:
            database.execute("CREATE TABLE orders AS SELECT generate_series(1, 100000) AS id")
        yield things, app, leader


def kill(plane: ControlPlane, victim: str) -> None:
    """SIGKILL one of our processes, and wait for its successor."""
    former = plane.child(victim)
    former.kill()
    wait_until(lambda: is_dead(former), what="the end of it")
    wait_until(lambda: plane.child(victim).pid != former.pid and plane.healthy(), what=f"the next {victim}")


@contextmanager
def stopped(find: Callable[[], psutil.Process | None]) -> Iterator[psutil.Process]:
    """A process held still by SIGSTOP, for as long as the block takes."""
    process: psutil.Process = wait_until(find, what="the process to hold")
    process.send_signal(signal.SIGSTOP)
    try:
        yield process
    finally:
        if process.is_running():
            process.send_signal(signal.SIGCONT)


def send(plane: ControlPlane, method: str, path: str) -> httpx2.Response:
    """On a connection of its own, which a killed control plane may cut."""
    with plane.client() as client:
        return client.request(method, path, json={})


def run_of(api: httpx2.Client, subject: str, kind: str) -> dict[str, Any]:
    runs = [run for run in api.get("/changeover/v1/runs").json() if (run["subject"], run["kind"]) == (subject, kind)]
    found: dict[str, Any] = api.get(f"/changeover/v1/runs/{runs[0]['id']}").json()
    return found


def copying(plane: ControlPlane) -> psutil.Process | None:
    """The running base backup."""
    for pid, what in processes(plane.home):
        if what == "pg_basebackup":
            return psutil.Process(pid)
    return None


def start_following(things: Things, app: str, leader: str) -> str:
    made = things.api.post(
        f"/apps/{app}/addons", json={"plan": STANDARD, "config": {"follow": leader}, "attachment": {}}
    )
    name: str = made.json()["name"]
    return name


@pytest.mark.parametrize("victim", ["worker", pytest.param("control-plane", marks=pytest.mark.long)])
def test_killed_during_the_base_backup_the_follower_is_finished_all_the_same(
    own_plane: ControlPlane, ground: tuple[Things, str, str], victim: str
) -> None:
    things, app, leader = ground
    follower = start_following(things, app, leader)

    with stopped(lambda: copying(own_plane)):
        kill(own_plane, victim)
        assert run_of(things.api, follower, "follow")["step"] == "copy"
    things.when_provisioned(follower)

    wait_until(lambda: rows_of(things.info(follower))["Behind By"] == "0 commits", what="the follower to catch up")
    with connect(things.info(follower)["resource_url"]) as database:
        assert database.execute("SELECT count(*) FROM orders").fetchone() == (100_000,)
    assert run_of(things.api, follower, "follow")["epoch"] == (2 if victim == "worker" else 1)
    assert take_inventory(own_plane).copies == 0


@pytest.mark.parametrize("half", ["that reads the data", "that receives the WAL"])
def test_when_one_half_of_the_base_backup_is_killed_it_begins_anew(
    own_plane: ControlPlane, ground: tuple[Things, str, str], half: str
) -> None:
    things, app, leader = ground
    data = own_plane.home / "servers" / things.info(leader)["formation"]["id"] / "data"
    with stopped(lambda: checkpointer_in(data)):  # which the copy waits for
        follower = start_following(things, app, leader)
        first: psutil.Process = wait_until(lambda: copying(own_plane), what="the copy")
    second = wait_for_child(first)
    (second if half == "that receives the WAL" else first).kill()
    things.when_provisioned(follower)

    assert take_inventory(own_plane).copies == 0
    with connect(things.info(follower)["resource_url"]) as database:
        assert database.execute("SELECT count(*) FROM orders").fetchone() == (100_000,)


def checkpointer_in(data: Path) -> psutil.Process | None:
    postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
    return next((one for one in postmaster.children() if "checkpointer" in " ".join(one.cmdline())), None)


def wait_for_child(process: psutil.Process) -> psutil.Process:
    """Without a pause between two looks: the copy takes a moment only."""
    listed, deadline = Path(f"/proc/{process.pid}/task/{process.pid}/children"), time.monotonic() + 30
    while not (children := listed.read_text().split()):
        assert time.monotonic() < deadline, "no second half"
    return psutil.Process(int(children[0]))


@pytest.mark.parametrize("victim", ["worker", pytest.param("control-plane", marks=pytest.mark.long)])
def test_killed_during_the_promotion_the_follower_becomes_writable_all_the_same(
    own_plane: ControlPlane, ground: tuple[Things, str, str], victim: str
) -> None:
    things, app, leader = ground
    follower = things.when_provisioned(start_following(things, app, leader))["name"]
    with own_plane.state() as state:
        [data] = state.execute(
            "SELECT data_directory FROM servers JOIN databases ON server_name = servers.name WHERE leader_id IS NOT NULL"
        ).fetchall()

    def startup() -> psutil.Process | None:
        for process in psutil.process_iter(["cmdline", "cwd"]):
            if process.info["cwd"] == data[0] and any("startup" in word for word in process.info["cmdline"] or []):
                return process
        return None

    with ThreadPoolExecutor(1) as threads, stopped(startup):
        asked = threads.submit(send, own_plane, "PUT", f"/client/v11/databases/{follower}/unfollow")
        wait_until(lambda: _has_promote_file(data[0]), what="the promotion to begin")
        kill(own_plane, victim)
        assert run_of(things.api, follower, "unfollow")["step"] == "promote"
        assert things.info(follower)["following"] is not None
    wait_until(lambda: run_of(things.api, follower, "unfollow")["status"] == "done", what="the run to end")

    with connect(things.info(follower)["resource_url"]) as database:
        assert database.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
        database.execute("INSERT INTO orders VALUES (0)")
    assert take_inventory(own_plane).slots == frozenset()
    if victim == "worker":
        assert asked.result().status_code == 200
        assert run_of(things.api, follower, "unfollow")["epoch"] == 2
    else:
        assert isinstance(asked.exception(), httpx2.TransportError)


def _has_promote_file(data: str) -> bool:
    return (Path(data) / "promote").exists()


def test_killed_between_detach_and_attach_the_app_still_has_its_database(
    own_plane: ControlPlane, ground: tuple[Things, str, str]
) -> None:
    things, app, leader = ground
    follower = things.when_provisioned(start_following(things, app, leader))["name"]
    things.api.put(f"/client/v11/databases/{follower}/unfollow")
    before = take_inventory(own_plane)
    promote = f"/changeover/v1/apps/{app}/databases/{follower}/actions/promote"

    with own_plane.state() as state, ThreadPoolExecutor(1) as threads:
        _hold_attaching(state)
        asked = threads.submit(send, own_plane, "POST", promote)
        wait_until(lambda: _somebody_waits(state), what="the attach to be reached")
        kill(own_plane, "control-plane")
        state.execute("SELECT pg_advisory_unlock_all()")
        state.execute("DROP FUNCTION hold_attaching CASCADE")
        assert isinstance(asked.exception(), httpx2.TransportError)

    assert take_inventory(own_plane) == before
    assert url_of(own_plane, app) == things.info(leader)["resource_url"]
    assert things.api.post(promote, json={}).status_code == 200
    assert url_of(own_plane, app) == things.info(follower)["resource_url"]


def _hold_attaching(state: Any) -> None:
    """Whoever attaches as DATABASE waits here: after the detach, before the attach."""
    state.execute("SELECT pg_advisory_lock(4711)")
    state.execute(
        "CREATE FUNCTION hold_attaching() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$"
    )
    state.execute(
        "CREATE TRIGGER hold_attaching BEFORE INSERT ON attachments FOR EACH ROW WHEN (NEW.name = 'DATABASE') "
        "EXECUTE FUNCTION hold_attaching()"
    )


def _somebody_waits(state: Any) -> bool:
    return bool(
        state.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted").fetchall()
    )


def test_a_worker_killed_again_and_again_still_finishes_a_database(own_plane: ControlPlane) -> None:
    with own_plane.client() as api:
        things = Things(own_plane, api)
        app = things.app()
        made = api.post(f"/apps/{app}/addons", json={"plan": STANDARD, "config": {}, "attachment": {}}).json()["name"]

        for _ in range(3):
            kill(own_plane, "worker")
        things.when_provisioned(made)

        with connect(url_of(own_plane, app)) as database:
            database.execute("CREATE TABLE here (id int)")
        assert len(take_inventory(own_plane).postmasters) == 1


def test_the_leader_killed_during_the_base_backup_is_started_again_and_the_copy_repeated(
    own_plane: ControlPlane, ground: tuple[Things, str, str]
) -> None:
    things, app, leader = ground
    [(postmaster, _)] = processes(own_plane.home)
    follower = start_following(things, app, leader)

    with stopped(lambda: copying(own_plane)):
        psutil.Process(postmaster).kill()
    things.when_provisioned(follower)

    with connect(things.info(follower)["resource_url"]) as database:
        assert database.execute("SELECT count(*) FROM orders").fetchone() == (100_000,)
    assert len(take_inventory(own_plane).slots) == 1


def test_a_killed_server_is_started_again(own_plane: ControlPlane, ground: tuple[Things, str, str]) -> None:
    things, app, leader = ground
    [(postmaster, _)] = processes(own_plane.home)

    psutil.Process(postmaster).kill()

    def answers() -> bool:
        info = things.info(leader)
        return rows_of(info)["Status"] == "Available" and postmaster not in take_inventory(own_plane).postmasters

    wait_until(answers, what="the server to be back")
    with connect(url_of(own_plane, app)) as database:
        assert database.execute("SELECT count(*) FROM orders").fetchone() == (100_000,)


def test_destroying_what_is_being_made_leaves_nothing(own_plane: ControlPlane, ground: tuple[Things, str, str]) -> None:
    things, app, leader = ground
    before = take_inventory(own_plane)
    follower = start_following(things, app, leader)

    with stopped(lambda: copying(own_plane)):
        gone = things.api.request("DELETE", f"/apps/{app}/addons/{follower}", json={})

    assert gone.status_code == 200, gone.text
    after = take_inventory(own_plane)
    assert (after.postmasters, after.folders, after.slots, after.copies) == (
        before.postmasters, before.folders, before.slots, 0,
    )  # fmt: skip
    assert dict(after.rows) | {"releases": 0} == dict(before.rows) | {"releases": 0}
    assert things.api.get(f"/apps/{app}/addon-attachments").json()[0]["addon"]["name"] == leader


def test_a_killed_state_server_is_started_again_and_nothing_is_forgotten(
    own_plane: ControlPlane, ground: tuple[Things, str, str]
) -> None:
    things, app, _ = ground
    pid = int((own_plane.home / "state/data/postmaster.pid").read_text().split()[0])

    psutil.Process(pid).kill()
    wait_until(lambda: not psutil.pid_exists(pid), what="the end of it")
    wait_until(own_plane.healthy, what="health to return")

    assert things.api.get(f"/apps/{app}").status_code == 200
    with connect(url_of(own_plane, app)) as database:
        assert database.execute("SELECT count(*) FROM orders").fetchone() == (100_000,)


def test_a_killed_parent_takes_its_children_along_and_the_next_start_adopts_the_servers(
    own_plane: ControlPlane, ground: tuple[Things, str, str]
) -> None:
    _, app, _ = ground
    before = take_inventory(own_plane)
    children = [own_plane.child(name) for name in VICTIMS]

    own_plane.kill()
    _, alive = psutil.wait_procs(children, timeout=15)
    assert alive == []
    own_plane.start()

    assert take_inventory(own_plane) == before
    with connect(url_of(own_plane, app)) as database:
        assert database.execute("SELECT count(*) FROM orders").fetchone() == (100_000,)
