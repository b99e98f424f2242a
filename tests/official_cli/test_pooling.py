"""The official CLI, unmodified, pools connections, and its promotion by hand takes the pool along."""

from __future__ import annotations

import httpx2
import pytest
from tests.changeovers.fix_orders import new_shop, ordering
from tests.fix_control_plane import ControlPlane, connect, url_of
from tests.fix_poolers import needs_pgbouncer
from tests.fix_things import ESSENTIAL, Things
from tests.official_cli.official import OfficialCli, must

POOL = "DATABASE_CONNECTION_POOL"

pytestmark = [needs_pgbouncer, pytest.mark.timeout(300)]


def is_pooled(url: str) -> bool:
    with connect(url, prepare_threshold=None) as database:
        return database.execute("SELECT inet_server_addr() IS NULL").fetchone() == (True,)


def test_a_pool_is_attached_used_and_taken_along_by_a_promotion(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, heroku: OfficialCli
) -> None:
    app = things.app()
    first, second = things.database(app)["name"], things.database(app)["name"]

    attached = must(heroku(f"pg:connection-pooling:attach DATABASE_URL -a {app}"))
    assert f"Enabling Connection Pooling on {first} to {app}... done" in attached.text
    assert f"Setting {POOL} config vars and restarting {app}... done, v" in attached.text
    assert must(heroku(f"pg:info DATABASE_URL -a {app}")).row("Connection Pooling") == "Available"
    assert POOL in must(heroku(f"addons -a {app}")).text
    url = must(heroku(f"config:get {POOL}_URL -a {app}")).out.strip()
    assert url == url_of(control_plane, app, f"{POOL}_URL")
    assert is_pooled(url)
    asked = must(heroku(f"pg:psql {POOL}_URL -a {app} -c 'SELECT inet_server_addr() IS NULL AS pooled'"))
    assert "t (1 row)" in asked.text

    promoted = must(heroku(f"pg:promote {second} -a {app}"))
    assert "Reattaching pooler" in promoted.text
    after = {one["name"]: one["addon"]["name"] for one in api.get(f"/apps/{app}/addon-attachments").json()}
    assert (after["DATABASE"], after[POOL]) == (second, second)
    assert is_pooled(url_of(control_plane, app, f"{POOL}_URL"))
    assert is_pooled(url)


def test_the_pooled_url_works_before_during_and_after_a_changeover(things: Things, heroku: OfficialCli) -> None:
    shop = new_shop(things)
    must(heroku(f"pg:connection-pooling:attach DATABASE_URL -a {shop.app}"))
    before = must(heroku(f"config:get {POOL}_URL -a {shop.app}")).out

    with ordering(shop, name=f"{POOL}_URL", clients=3) as orders:
        done = shop.changeover("--hold", "pooled")

    assert orders.failures == []
    assert set(orders.acknowledged) == shop.orders()
    assert must(heroku(f"config:get {POOL}_URL -a {shop.app}")).out == before
    info = must(heroku(f"pg:info DATABASE_URL -a {shop.app}"))
    assert (info.row("Add-on"), info.row("Connection Pooling")) == (done["target"], "Available")
    counted = must(heroku(f"pg:psql {POOL}_URL -a {shop.app} -c 'SELECT count(*) FROM orders'"))
    assert f"{len(orders.acknowledged)} (1 row)" in counted.text


def test_another_name_is_taken_and_an_essential_database_refused(things: Things, heroku: OfficialCli) -> None:
    app, small = things.app(), things.app()
    things.database(app)
    things.database(small, ESSENTIAL)
    assert "Setting FAST config vars" in must(heroku(f"pg:connection-pooling:attach --as FAST -a {app}")).text
    refused = heroku(f"pg:connection-pooling:attach -a {small}")
    assert refused.code != 0
    assert "You can't perform this operation on Essential-tier databases." in refused.text
