"""Pooled connections, from the command to the pooler's end, through the API, on real servers and poolers."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from tests.fix_control_plane import ControlPlane, connect, make_home, remove_home, url_of, wait_until
from tests.fix_poolers import needs_pgbouncer, poolers_below
from tests.fix_things import ESSENTIAL, Things, rows_of, unique

POOL = "DATABASE_CONNECTION_POOL"
NAMESPACE = "connection-pooling:default"

pytestmark = needs_pgbouncer


def pool(api: httpx2.Client, app: str, addon: str, **fields: Any) -> httpx2.Response:
    body = {"app": app, "credential": "default", **fields}
    return api.post(f"/client/v11/databases/{addon}/connection-pooling", json=body)


def pooled(api: httpx2.Client, app: str, addon: str, **fields: Any) -> str:
    made = pool(api, app, addon, **fields)
    assert made.status_code == 201, made.text
    name: str = made.json()["name"]
    return name


def answer(url: str, query: str = "SELECT 1") -> Any:
    with connect(url, prepare_threshold=None) as database:
        row = database.execute(query.encode()).fetchone()
        return row[0] if row else None


def port_of(url: str) -> int:
    return int(url.rpartition("/")[0].rpartition(":")[2])


def pid_of(plane: ControlPlane, url: str) -> int:
    """Of the pooler that answers at that address."""
    with plane.state() as state:
        row = state.execute("SELECT folder FROM poolers WHERE port = %s", [port_of(url)]).fetchone()
    assert row is not None
    return one_below(Path(row[0]))


def one_below(folder: Path) -> int:
    def find() -> int | None:
        found = poolers_below(folder)
        return found[0] if len(found) == 1 else None

    pid: int = wait_until(find, what="one pooler")
    return pid


def test_an_app_gets_a_url_through_the_pooler(control_plane: ControlPlane, things: Things, api: httpx2.Client) -> None:
    app = things.app()
    addon = things.database(app)["name"]

    assert pooled(api, app, addon) == POOL

    direct, through = url_of(control_plane, app), url_of(control_plane, app, f"{POOL}_URL")
    assert port_of(direct) != port_of(through)
    assert direct.replace(str(port_of(direct)), str(port_of(through))) == through
    assert answer(through, "SELECT inet_server_addr() IS NULL") is True
    attachment = api.get(f"/apps/{app}/addon-attachments/{POOL}").json()
    assert (attachment["namespace"], attachment["addon"]["name"]) == (NAMESPACE, addon)
    assert api.get(f"/apps/{app}/releases").json()[-1]["description"] == f"Attach {POOL} (@ref:{addon})"


def test_asking_twice_changes_nothing_and_another_name_has_the_same_url(
    control_plane: ControlPlane, things: Things, api: httpx2.Client
) -> None:
    app = things.app()
    addon = things.database(app)["name"]
    pooled(api, app, addon)
    before = len(api.get(f"/apps/{app}/releases").json())
    assert pooled(api, app, addon) == POOL
    assert len(api.get(f"/apps/{app}/releases").json()) == before

    assert pooled(api, app, addon, name="fast") == "FAST"
    assert url_of(control_plane, app, "FAST_URL") == url_of(control_plane, app, f"{POOL}_URL")


def test_another_database_of_the_app_is_pooled_under_its_own_name(things: Things, api: httpx2.Client) -> None:
    app = things.app()
    first, second = things.database(app)["name"], things.database(app)["name"]
    [color] = [one["name"] for one in api.get(f"/addons/{second}/addon-attachments").json()]
    assert [pooled(api, app, one) for one in (first, second)] == [POOL, f"{color}_CONNECTION_POOL"]
    refused = pool(api, app, second, name=POOL)
    assert (refused.status_code, refused.json()["id"]) == (422, "name_taken")


def test_an_essential_database_is_refused(things: Things, api: httpx2.Client) -> None:
    app = things.app()
    refused = pool(api, app, things.database(app, ESSENTIAL)["name"])
    assert (refused.status_code, refused.json()["id"]) == (422, "pooling_unavailable")
    assert refused.json()["what"] == "You can't perform this operation on Essential-tier databases."


def test_other_credentials_and_namespaces_are_refused(things: Things, api: httpx2.Client) -> None:
    app = things.app()
    addon = things.database(app)["name"]
    assert pool(api, app, addon, credential="reporting").status_code == 422
    attaching = {"addon": {"name": addon}, "app": {"name": app}, "namespace": "connection-pooling:other"}
    assert api.post("/addon-attachments", json=attaching).status_code == 422


def test_info_says_that_pooling_is_available(things: Things) -> None:
    app = things.app()
    rows = rows_of(things.info(things.database(app)["name"]))
    assert rows["Connection Pooling"] == "Available"
    assert list(rows).index("Connection Pooling") == list(rows).index("Connections") + 1


def test_a_killed_pooler_answers_again_at_the_same_address(
    control_plane: ControlPlane, things: Things, api: httpx2.Client
) -> None:
    app = things.app()
    pooled(api, app, things.database(app)["name"])
    url = url_of(control_plane, app, f"{POOL}_URL")
    before = pid_of(control_plane, url)
    os.kill(before, signal.SIGKILL)

    wait_until(lambda: _answers(url), what="it to answer again")

    assert pid_of(control_plane, url) != before


def test_a_pooler_whose_files_are_lost_is_made_again(
    control_plane: ControlPlane, things: Things, api: httpx2.Client
) -> None:
    app = things.app()
    pooled(api, app, things.database(app)["name"])
    url = url_of(control_plane, app, f"{POOL}_URL")
    before = pid_of(control_plane, url)
    with control_plane.state() as state:
        [(folder,)] = state.execute("SELECT folder FROM poolers WHERE port = %s", [port_of(url)]).fetchall()
    (Path(folder) / "pgbouncer.ini").unlink()
    os.kill(before, signal.SIGKILL)

    wait_until(lambda: _answers(url), what="it to answer again")

    assert poolers_below(Path(folder)) != [before]


def test_with_the_database_its_pooler_goes(control_plane: ControlPlane, things: Things, api: httpx2.Client) -> None:
    app = things.app()
    addon = things.database(app)["name"]
    pooled(api, app, addon)
    with control_plane.state() as state:
        port = port_of(url_of(control_plane, app, f"{POOL}_URL"))
        [(folder, sockets)] = state.execute(
            "SELECT folder, socket_directory FROM poolers WHERE port = %s", [port]
        ).fetchall()

    assert api.delete(f"/apps/{app}/addons/{addon}").status_code in (200, 202)

    wait_until(lambda: not Path(folder).exists() and not Path(sockets).exists(), what="its folders to go")
    assert poolers_below(Path(folder)) == []
    with control_plane.state() as state:
        assert state.execute("SELECT count(*) FROM poolers WHERE port = %s", [port]).fetchone() == (0,)


def test_promoting_moves_the_default_pooled_attachment(
    control_plane: ControlPlane, things: Things, api: httpx2.Client
) -> None:
    app = things.app()
    first, second = things.database(app)["name"], things.database(app)["name"]
    pooled(api, app, first)
    pooled(api, app, first, name="KEPT")
    before = url_of(control_plane, app, f"{POOL}_URL")

    done = api.post(f"/changeover/v1/apps/{app}/databases/{second}/actions/promote", json={})

    assert done.status_code == 200, done.text
    after = {one["name"]: one["addon"]["name"] for one in api.get(f"/apps/{app}/addon-attachments").json()}
    assert (after["DATABASE"], after[POOL], after["KEPT"]) == (second, second, first)
    moved = url_of(control_plane, app, f"{POOL}_URL")
    assert [answer(url) for url in (before, moved)] == [1, 1]  # who still runs with the former URL isn't cut off
    assert url_of(control_plane, app).rpartition("/")[2] == moved.rpartition("/")[2]
    assert before != moved


def test_without_a_pool_promoting_makes_none(things: Things, api: httpx2.Client) -> None:
    app = things.app()
    things.database(app)
    second = things.database(app)["name"]
    assert api.post(f"/changeover/v1/apps/{app}/databases/{second}/actions/promote", json={}).status_code == 200
    assert POOL not in {one["name"] for one in api.get(f"/apps/{app}/addon-attachments").json()}


def test_our_command_makes_it_and_psql_goes_through_it(control_plane: ControlPlane, things: Things) -> None:
    app = things.app()
    things.database(app)
    typed = control_plane.must("pg:connection-pooling:attach", "-a", app)
    assert f"Setting {POOL} config vars and restarting {app}... done, v" in typed.everything
    asked = control_plane.must("pg:psql", f"{POOL}_URL", "-a", app, "-c", "SELECT inet_server_addr() IS NULL AS pooled")
    assert "t" in asked.stdout.split()


@pytest.fixture
def pooled_plane(own_plane: ControlPlane) -> tuple[ControlPlane, str]:
    """A control plane of its own, and a URL through a pooler."""
    app = unique("shop")
    with own_plane.client() as api:
        assert api.post("/apps", json={"name": app}).status_code == 201
        addon = Things(own_plane, api).database(app)["name"]
        pooled(api, app, addon)
    return own_plane, url_of(own_plane, app, f"{POOL}_URL")


def test_clients_of_a_pooler_never_notice_the_control_plane_and_its_worker_die(
    pooled_plane: tuple[ControlPlane, str],
) -> None:
    plane, url = pooled_plane
    pid = one_below(plane.home)
    with connect(url, prepare_threshold=None) as client:
        for part in ("control-plane", "worker"):
            plane.child(part).kill()
        plane.kill()
        assert client.execute("SELECT 1").fetchone() == (1,)
        plane.start()
        wait_until(plane.healthy, what="health")
        assert client.execute("SELECT 2").fetchone() == (2,)
    assert poolers_below(plane.home) == [pid]


def _answers(url: str) -> bool:
    try:
        return bool(answer(url) == 1)
    except psycopg.OperationalError:
        return False


def test_they_stop_with_everything_else_or_are_left_running(pooled_plane: tuple[ControlPlane, str]) -> None:
    plane, url = pooled_plane
    assert plane.stop() == 0
    assert poolers_below(plane.home) == []
    plane.start("--leave-running")
    wait_until(lambda: _answers(url), what="the pooler to answer")
    pid = one_below(plane.home)
    assert plane.stop() == 0
    assert (answer(url), poolers_below(plane.home)) == (1, [pid])
    plane.must("stop")
    assert poolers_below(plane.home) == []


def test_what_a_crash_in_the_making_leaves_is_removed(control_plane: ControlPlane) -> None:
    left = control_plane.home / "poolers" / "p0badc0de"
    left.mkdir(parents=True)
    wait_until(lambda: not left.exists(), what="it to be removed")


def test_without_pgbouncer_pooling_says_how_to_get_it() -> None:
    home = make_home()
    plane = ControlPlane(home, {"CHANGEOVER_PGBOUNCER": "/nonexistent/pgbouncer"})
    try:
        plane.start()
        app = unique("shop")
        with plane.client() as api:
            assert api.post("/apps", json={"name": app}).status_code == 201
            things = Things(plane, api)
            addon = things.database(app)["name"]
            refused = pool(api, app, addon)
            row = rows_of(things.info(addon))["Connection Pooling"]
        assert (refused.status_code, refused.json()["id"]) == (503, "tool_missing")
        assert "apt-get install pgbouncer" in refused.json()["fix"]
        assert "apt-get install pgbouncer" in row
        assert plane.stop() == 0
    finally:
        remove_home(home)
