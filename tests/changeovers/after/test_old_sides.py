"""What was left behind: probed until it is destroyed, who tried to enter is remembered, and a fence that has gone comes back."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.changeovers.fix_orders import Shop, new_shop
from tests.fix_control_plane import connect, wait_until
from tests.fix_things import Things, rows_of


@pytest.fixture
def shop(things: Things) -> Shop:
    return new_shop(things)


def folder_of_source(shop: Shop) -> Path:
    server: str = shop.things.info(shop.source)["formation"]["id"]
    return shop.plane.home / "servers" / server


def try_to_enter(url: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(psycopg.OperationalError, match="rejects"):
            connect(url)


def until_probed(shop: Shop, number: int) -> dict[str, Any]:
    """By the next job worker: it does so first of all."""
    with shop.plane.state() as state:
        state.execute("UPDATE old_sides SET probed_at = '2000-01-01' WHERE run_id = %s", [number])
        shop.plane.child("worker").kill()
        query = "SELECT FROM old_sides WHERE run_id = %s AND probed_at > '2001-01-01'"
        wait_until(lambda: state.execute(query, [number]).fetchall(), what="the next look")
    found: dict[str, Any] = shop.look(number)["old_side"]
    return found


def open_by_hand(shop: Shop) -> None:
    data = folder_of_source(shop) / "data"
    (data / "pg_hba.conf").write_text((data / "pg_hba.conf.before").read_text())
    postmaster = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGHUP)


def test_who_tried_is_remembered_when_the_logs_are_gone(shop: Shop) -> None:
    url, done = shop.url(), shop.changeover()
    try_to_enter(url, 2)
    until_probed(shop, done["id"])
    try_to_enter(url, 1)
    until_probed(shop, done["id"])
    for log in (folder_of_source(shop) / "log").glob("postgresql-*.log"):
        log.write_text("")

    seen = shop.look(done["id"])["old_side"]

    [refused] = seen["refusals"]
    assert (refused["times"], seen["finding"], seen["breaches"]) == (3, "fenced", 0)
    assert refused["first_at"] <= refused["last_at"] <= seen["fenced_at"]
    assert "3 times" in shop.plane.must("changeovers:info", str(done["id"])).stdout


def test_a_fence_that_was_taken_away_is_put_back_and_said_loudly(shop: Shop) -> None:
    url, done = shop.url(), shop.changeover()
    until_probed(shop, done["id"])
    shop.plane.child("worker").suspend()  # until its parent ends it, nobody probes
    open_by_hand(shop)
    wait_until(lambda: gets_in(url), what="the open fence")
    with connect(url, application_name="old cron job") as intruder:
        assert f"NOT FENCED (moved to {done['target']})" in rows_of(shop.things.info(shop.source))["Status"]
        until_probed(shop, done["id"])
        with pytest.raises(psycopg.OperationalError):
            intruder.execute("INSERT INTO orders (id) VALUES (1)")

    try_to_enter(url, 1)
    seen = shop.look(done["id"])["old_side"]
    assert (seen["finding"], seen["breaches"], seen["breach"]["is_put_back"]) == ("fenced", 1, True)
    assert "old cron job" in seen["breach"]["ended"][0]
    assert "is put back" in shop.plane.logs()
    said = shop.plane.must("changeovers:info", str(done["id"])).stdout
    assert "What was written there meanwhile is on no other database." in said


@pytest.mark.long
def test_where_the_target_is_gone_too_the_old_side_is_left_as_it_is(shop: Shop) -> None:
    url, done = shop.url(), shop.changeover()
    shop.plane.must("addons:destroy", done["target"], "-a", shop.app, "--confirm", shop.app, "--force")
    wait_until(lambda: shop.things.api.get(f"/addons/{done['target']}").status_code == 404, what="the target's end")
    open_by_hand(shop)
    wait_until(lambda: gets_in(url), what="the open fence")

    seen = until_probed(shop, done["id"])

    assert (seen["finding"], seen["breach"]["is_put_back"]) == ("open", False)
    assert gets_in(url)
    assert rows_of(shop.things.info(shop.source))["Status"] == "Available"


def gets_in(url: str) -> bool:
    try:
        connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
