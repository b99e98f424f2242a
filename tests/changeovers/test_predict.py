"""How long a pause will be is measured where it can be, and what makes it longer is named."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.test_processes import deploy
from tests.changeovers.fix_orders import Shop, new_shop
from tests.fix_control_plane import connect, wait_until
from tests.fix_poolers import needs_pgbouncer
from tests.fix_things import STANDARD, Things

from changeover.changeovers.predict import drain
from changeover.engines.engine import Behind


@pytest.fixture
def shop(things: Things) -> Shop:
    return new_shop(things)


def plan(shop: Shop, **fields: Any) -> dict[str, Any]:
    body = {"app": shop.app, "source": "DATABASE_URL", "to": STANDARD, "hold": "maintenance", **fields}
    answer = shop.things.api.post("/changeover/v1/changeovers/actions/plan", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def behind(count: int, replayed: int) -> Behind:
    return Behind(commits=1, is_exact=True, bytes=count, seconds=0, is_streaming=True, replayed_bytes=replayed)


@pytest.mark.parametrize(
    ("missing", "replayed", "seconds", "says"),
    [
        (40_000, 100_000, 0.1, "40 kB behind and replays 400 kB/s"),
        (90_000_000, 25_000_000, 0.0105, "90.0 MB behind and replays 100.0 MB/s"),  # by then it is 1 MB at most
        (40_000, 100, 0.5, "replays 400 bytes/s"),  # otherwise the pause does not begin
        (40_000, 0, 0.5, "replays nothing just now"),
    ],
)
def test_what_a_follower_lacks_is_divided_by_how_fast_it_replays(
    missing: int, replayed: int, seconds: float, says: str
) -> None:
    part = drain(behind(missing, 7), behind(missing, 7 + replayed))

    assert part.seconds == pytest.approx(seconds, rel=0.01)
    assert says in part.says


def test_an_open_transaction_is_counted_and_named(shop: Shop) -> None:
    before = plan(shop)
    with connect(shop.url(), application_name="accounting") as client:
        client.execute("BEGIN")
        client.execute("INSERT INTO orders (id) VALUES (1)")

        def is_old() -> dict[str, Any] | None:
            seen = plan(shop)
            return seen if "accounting" in seen["prediction_because"] else None

        after: dict[str, Any] = wait_until(is_old, what="an old transaction")

    assert after["predicted_pause_s"] >= before["predicted_pause_s"] + 1
    assert "accounting" not in before["prediction_because"]


def test_dynos_count_with_what_their_last_boots_took(shop: Shop) -> None:
    assert "no app has dynos to stop" in plan(shop)["prediction_because"]
    assert deploy(shop.things.api, shop.app).status_code == 201
    wait_until(lambda: "as the last time" in plan(shop)["prediction_because"], what="a measured boot")
    quick = plan(shop)
    with shop.plane.state() as state:  # as if that boot had been slow
        state.execute("UPDATE runs SET step_began_at = finished_at - interval '40 s' WHERE app = %s", [shop.app])
    slow = plan(shop)

    assert slow["predicted_pause_s"] > quick["predicted_pause_s"] + 20
    assert f"dynos of {shop.app} boot: as the last time (40 s)" in slow["prediction_because"]
    assert f"dynos of {shop.app} end: assumed" in slow["prediction_because"]


@needs_pgbouncer
def test_a_pooled_pause_counts_a_lagging_follower_and_what_such_pauses_took(shop: Shop) -> None:
    pooled = "DATABASE_CONNECTION_POOL_URL"
    shop.plane.must("pg:connection-pooling:attach", "DATABASE_URL", "-a", shop.app)
    done = shop.changeover("--hold", "pooled")
    follower = shop.things.database(shop.app, follow=done["target"])["name"]

    with connect(shop.things.info(follower)["resource_url"]) as reader, connect(shop.url(pooled)) as app:
        near = plan(shop, hold="pooled", to=follower)
        app.execute("INSERT INTO orders (id) SELECT generate_series(1, 100)")
        wait_until(lambda: reader.execute("SELECT count(*) FROM orders").fetchone() == (100,), what="the rows")
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM orders")
        app.execute("DELETE FROM orders")
        app.execute("VACUUM orders")  # which its replay may not do while somebody reads
        app.execute("INSERT INTO orders (id) SELECT generate_series(1, 100)")
        far = plan(shop, hold="pooled", to=follower)

    switch = near["prediction_parts"][0]
    assert switch["seconds"] >= done["report"]["pause_s"]
    assert "such changeover" in switch["says"]
    assert "1 client of 1 pooler would wait" in near["prediction_because"]
    assert "replays nothing just now" in far["prediction_because"]
    assert far["predicted_pause_s"] >= near["predicted_pause_s"] + 0.4
