"""One account that occupies the worker: another account's work begins at once all the same."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx2
import pytest
from tests.fix_control_plane import ControlPlane, wait_until
from tests.fix_things import ESSENTIAL, Things, unique

V1 = "/changeover/v1"
MANY = 24


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Accepts connections, and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        yield listener.getsockname()[1]


def account(plane: ControlPlane, operator: httpx2.Client) -> httpx2.Client:
    made = operator.post("/oauth/authorizations", json={"description": "test", "user": f"{unique('anna')}@example.com"})
    return plane.client(made.json()["access_token"]["token"])


def begin_verifications(api: httpx2.Client, port: int, number: int) -> list[int]:
    """Each between two databases of its own behind the silent port."""
    runs = []
    for _ in range(number):
        sides = {
            side: f"postgres://a:b@127.0.0.1:{port}/{unique(side)}?sslmode=disable" for side in ("source", "target")
        }
        made = api.post(f"{V1}/verifications", json=sides)
        assert made.status_code == 201, made.text
        runs.append(made.json()["id"])
    return runs


def driven(plane: ControlPlane) -> int:
    with plane.state() as db:
        row = db.execute(
            "SELECT count(*) FROM pg_locks WHERE classid = hashtext('changeover.run')::bit(32)::bigint::oid"
        ).fetchone()
    return int(row[0]) if row else 0


def says_that_it_waits_for_others(api: httpx2.Client) -> bool:
    return any(
        "of your comparisons are under way" in (run["waits_because"] or "") for run in api.get(f"{V1}/runs").json()
    )


def test_verifications_of_a_silent_port_do_not_delay_the_database_of_another_account(
    control_plane: ControlPlane, api: httpx2.Client, silent_port: int
) -> None:
    with account(control_plane, api) as busy, account(control_plane, api) as other:
        things = Things(control_plane, other)
        runs = begin_verifications(busy, silent_port, MANY)

        wait_until(lambda: says_that_it_waits_for_others(busy), what="a waiting run to say so")
        things.database(things.app(), ESSENTIAL)

        assert any(run["finished_at"] is None for run in busy.get(f"{V1}/runs").json()), "they still wait"
        things.remove_all()
        with control_plane.state() as db:
            db.execute("UPDATE runs SET is_cancelled = true WHERE id = ANY (%s)", [runs])


def test_a_restarted_worker_finds_every_run_that_waited(own_plane: ControlPlane, silent_port: int) -> None:
    with own_plane.client() as api:
        runs = begin_verifications(api, silent_port, MANY)
        wait_until(lambda: driven(own_plane) > 0, what="the first of them to be driven")
        worker = own_plane.child("worker")
        worker.kill()
        worker.wait(10)

        with own_plane.state() as db:
            db.execute("UPDATE runs SET is_cancelled = true WHERE id = ANY (%s)", [runs])
        wait_until(
            lambda: all(run["finished_at"] for run in api.get(f"{V1}/runs").json()), what="all of them to turn back",
        )  # fmt: skip
