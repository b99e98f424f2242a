"""Backups when something goes wrong: a killed worker, a bucket that refuses, hangs or goes away. Into a real S3 server."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx2
import psycopg
import pytest
from tests.api.test_transfers import ORDERS, Shop, begin, complete, content, ended, transfer
from tests.fix_bucket import BucketServer, Web
from tests.fix_control_plane import ControlPlane, connect, running_plane, wait_until
from tests.fix_things import Things

from changeover.hosts.processes import Process, everything_running

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def plane(bucket_server: BucketServer) -> Iterator[ControlPlane]:
    yield from running_plane(**bucket_server.settings)


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Iterator[httpx2.Client]:
    with plane.client() as client:
        yield client


@pytest.fixture(scope="module")
def shop(plane: ControlPlane, api: httpx2.Client) -> Shop:
    made = Shop(Things(plane, api))
    made.sql(ORDERS)
    return made


@pytest.fixture(autouse=True)
def nothing_left(api: httpx2.Client, shop: Shop, bucket_server: BucketServer) -> Iterator[None]:
    """Each test begins with an empty bucket; what it deletes is gone from there."""
    yield
    for one in api.get(f"/client/v11/apps/{shop.app}/transfers").json():
        assert api.delete(f"/client/v11/apps/{shop.app}/transfers/{one['num']}").status_code == 200
    assert bucket_server.objects() == []


def children(uuid: str) -> list[Process]:
    """Programs that work on a transfer."""
    return [one for one in everything_running() if any(f"changeover:{uuid}" in word for word in one.arguments)]


def kill_worker(plane: ControlPlane) -> None:
    worker = plane.child("worker")
    worker.kill()
    wait_until(lambda: plane.child("worker").pid != worker.pid, what="the next worker")


@contextmanager
def hanging(server: BucketServer) -> Iterator[None]:
    """It accepts connections, and says nothing."""
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def test_a_backup_goes_into_the_bucket_and_comes_back(
    api: httpx2.Client, shop: Shop, bucket_server: BucketServer
) -> None:
    before = content(shop.url)
    backup = complete(api, shop.app, begin(api, shop.database, "backups"))
    path = f"/client/v11/apps/{shop.app}/transfers/{backup['num']}"

    [key] = bucket_server.objects()
    public = api.post(f"{path}/actions/public-url").json()["url"]
    shop.sql("DROP TABLE orders CASCADE")
    complete(api, shop.app, begin(api, shop.database, "restores", backup_url=backup["to_url"]))

    assert key.startswith(f"of/tests/{shop.app}/001-")
    assert "X-Amz-Signature=" in public
    assert len(httpx2.get(public).content) == backup["processed_bytes"]
    assert content(shop.url) == before
    other_way = begin(api, shop.database, "restores", backup_url=f"s3://backups/{key}")
    complete(api, shop.app, other_way)
    assert api.delete(path).status_code == 200
    assert bucket_server.objects() == []


def test_killed_while_pg_dump_waits_the_backup_is_made_all_the_same(
    api: httpx2.Client, plane: ControlPlane, shop: Shop, bucket_server: BucketServer
) -> None:
    with connect(shop.url) as database:
        with database.transaction():
            database.execute("LOCK TABLE orders")
            begun = begin(api, shop.database, "backups")
            [first] = wait_until(lambda: children(begun["uuid"]), what="pg_dump")
            kill_worker(plane)
            second = wait_until(
                lambda: [one for one in children(begun["uuid"]) if one != first], what="the successor's pg_dump"
            )
            assert children(begun["uuid"]) == second
        complete(api, shop.app, begun)

    assert children(begun["uuid"]) == []
    assert len(bucket_server.objects()) == 1


def test_killed_in_the_middle_of_a_restore_it_begins_anew(
    api: httpx2.Client, plane: ControlPlane, shop: Shop, bucket_server: BucketServer, web: Web
) -> None:
    before = content(shop.url)
    backup = complete(api, shop.app, begin(api, shop.database, "backups"))
    path = f"/client/v11/apps/{shop.app}/transfers/{backup['num']}"
    archive = httpx2.get(api.post(f"{path}/actions/public-url").json()["url"]).content
    web.answers, web.stalls_after = {"/dump": archive}, {2: len(archive) // 2}

    begun = begin(api, shop.database, "restores", backup_url=f"{web.url}/dump")
    wait_until(web.has_stalled.is_set, what="the middle of it")
    [first] = wait_until(lambda: children(begun["uuid"]), what="pg_restore")
    kill_worker(plane)

    complete(api, shop.app, begun)
    assert content(shop.url) == before
    assert first not in children(begun["uuid"])
    assert list((plane.home / "transfers").iterdir()) == []


def test_a_bucket_that_refuses_is_said_at_once_and_nothing_stays(
    api: httpx2.Client, shop: Shop, bucket_server: BucketServer
) -> None:
    bucket_server.stop()
    bucket_server.start(secret="another one")
    try:
        refused = ended(api, shop.app, begin(api, shop.database, "backups"))
    finally:
        bucket_server.stop()
        bucket_server.start()

    assert refused["succeeded"] is False
    assert "403 Forbidden" in refused["logs"][1]["message"]
    assert api.get(f"/changeover/v1/runs/{refused['run']}").json()["error"]["id"] == "bucket_refused"
    assert bucket_server.objects() == []


def test_a_bucket_that_hangs_holds_up_nobody_and_its_backup_is_made_when_it_goes_on(
    api: httpx2.Client, plane: ControlPlane, shop: Shop, bucket_server: BucketServer
) -> None:
    with hanging(bucket_server):
        begun = begin(api, shop.database, "backups")
        wait_until(lambda: children(begun["uuid"]), what="the dump to begin")
        assert plane.healthy()
        kill_worker(plane)

    complete(api, shop.app, begun)
    assert len(bucket_server.objects()) == 1


def test_a_bucket_that_goes_away_is_waited_for(api: httpx2.Client, shop: Shop, bucket_server: BucketServer) -> None:
    bucket_server.stop()
    try:
        begun = begin(api, shop.database, "backups")
        said = wait_until(
            lambda: [one for one in transfer(api, shop.app, begun["uuid"])["logs"] if one["level"] == "error"],
            what="the log to say so",
        )
    finally:
        bucket_server.start()

    assert "could not be written" in said[0]["message"]
    complete(api, shop.app, begun)


@pytest.mark.long
def test_stopped_in_order_while_a_backup_goes_on_it_begins_anew_at_the_next_start(own_plane: ControlPlane) -> None:
    with own_plane.client() as api:
        shop = Shop(Things(own_plane, api))
        shop.sql(ORDERS)
        with suppress(psycopg.OperationalError), connect(shop.url) as database, database.transaction():
            database.execute("LOCK TABLE orders")
            begun = begin(api, shop.database, "backups")
            wait_until(lambda: children(begun["uuid"]), what="pg_dump")
            assert own_plane.stop() == 0  # with the database, and so the lock
    assert children(begun["uuid"]) == []

    own_plane.start()

    with own_plane.client() as api:
        complete(api, shop.app, begun)
    assert len(shop.files()) == 1
