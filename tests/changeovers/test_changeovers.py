"""`pg:changeover`: one command that moves a live database, what it waits for, what it refuses, how it is called off."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.changeovers.fix_orders import Shop, new_shop, ordering
from tests.fix_control_plane import connect, wait_until
from tests.fix_things import ESSENTIAL, STANDARD, Things, unique

PHASES = [
    "armed", "held", "fenced", "drained", "point of no return", "promoted", "canary", "routed", "released",
]  # fmt: skip


@pytest.fixture
def shop(things: Things) -> Shop:
    return new_shop(things)


def test_one_command_moves_a_database_that_is_being_written_to(shop: Shop) -> None:
    with ordering(shop) as orders:
        done = shop.changeover()

    report = done["report"]
    assert [event["phase"] for event in report["timeline"]] == PHASES
    assert report["target"]["is_writable"]
    assert report["target"]["timeline"] == report["source"]["timeline"] + 1
    assert "pg_hba.conf rejects" in report["refusal"]
    assert set(orders.acknowledged) <= shop.orders()
    assert url_leads_to(shop, done["target"])


def test_the_app_keeps_its_names_and_the_source_gets_one_to_be_looked_at(shop: Shop) -> None:
    done = shop.changeover()

    names = {
        one["name"]: one["addon"]["name"] for one in shop.things.api.get(f"/apps/{shop.app}/addon-attachments").json()
    }
    assert names.pop("DATABASE") == done["target"]
    assert shop.source in names.values()


def test_nobody_can_write_to_the_source_afterwards(shop: Shop) -> None:
    url = shop.url()
    shop.changeover()

    with pytest.raises(psycopg.OperationalError, match="rejects"):
        connect(url)
    assert "Fenced (moved to postgresql-" in shop.plane.must("pg:info", shop.source, "-a", shop.app).stdout
    shop.plane.must("addons:destroy", shop.source, "-a", shop.app, "--confirm", shop.app)


def test_who_still_tries_the_old_address_is_named(shop: Shop) -> None:
    url, user = shop.url(), shop.url().split("/")[2].split(":")[0]
    done = shop.changeover()
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError, match="rejects"):
            connect(url)

    seen = shop.look(done["id"])["old_side"]
    assert seen["is_fenced"]
    assert [f"{user} from 127.0.0.1" in one and "3 times" in one for one in seen["refused"]] == [True]
    assert "fenced, a login was refused just now" in shop.plane.must("changeovers:info", str(done["id"])).stdout


def test_a_follower_that_is_there_already_can_be_the_target(shop: Shop) -> None:
    follower = shop.things.database(shop.app, follow=shop.source)["name"]

    done = shop.changeover("--to", follower)

    assert done["target"] == follower
    assert url_leads_to(shop, follower)


def test_an_open_transaction_is_named_and_waited_for(shop: Shop) -> None:
    with connect(shop.url(), application_name="accounting") as client:
        client.execute("BEGIN")
        client.execute("INSERT INTO orders (id) VALUES (1)")
        number = shop.begin()
        seen = shop.until(number, "who is in the way", lambda seen: seen["in_the_way"] and seen["waits_because"])
        assert "application accounting, idle in transaction" in seen["in_the_way"][0]
        shop.until(number, "the reason", lambda seen: "application accounting" in (seen["waits_because"] or ""))
        client.execute("COMMIT")

    assert shop.until_done(number)["attempts"] > 1
    assert shop.orders() == {1}


def test_told_to_it_ends_a_session_in_the_way(shop: Shop) -> None:
    with connect(shop.url()) as client:
        client.execute("BEGIN")
        client.execute("INSERT INTO orders (id) VALUES (1)")
        shop.until_done(shop.begin(ends_sessions=True))
        with pytest.raises(psycopg.OperationalError):
            client.execute("COMMIT")

    assert shop.orders() == set()


def holds_no_slot(shop: Shop, number: int) -> bool:
    """Neither its lock nor a connection: it only has a time when it wakes."""
    with shop.plane.state() as db:
        row = db.execute(
            "SELECT wakes_at > now() + interval '1 hour', EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'"
            " AND classid = hashtext('changeover.run')::bit(32)::bigint::oid AND objid = id::oid) FROM runs WHERE id = %s",
            [number],
        ).fetchone()
    return row == (True, False)


def test_the_pause_begins_when_somebody_says_so(shop: Shop) -> None:
    number = shop.begin(waits_for_word=True)
    shop.until(number, "the target", lambda seen: "changeovers:cut-over" in (seen["waits_because"] or ""))
    wait_until(lambda: holds_no_slot(shop, number), what="the changeover to return its slot")
    with connect(shop.url()) as client:
        client.execute("INSERT INTO orders (id) VALUES (7)")

    assert shop.act(number, "cut-over") == 200
    shop.until_done(number)
    assert shop.orders() == {7}


def test_called_off_everything_is_as_before(shop: Shop) -> None:
    before = config_of(shop)
    with connect(shop.url()) as client:
        client.execute("BEGIN")
        client.execute("INSERT INTO orders (id) VALUES (1)")
        number = shop.begin()
        shop.until(number, "the hold", lambda seen: seen["is_held"] and seen["attempts"])
        assert shop.things.api.get(f"/apps/{shop.app}").json()["maintenance"]
        assert shop.act(number, "abort") == 200
        shop.until(number, "its end", lambda seen: seen["status"] == "failed")
        client.execute("COMMIT")

    wait_until(lambda: config_of(shop) == before, what="the former config")
    assert shop.orders() == {1}
    assert not shop.things.api.get(f"/apps/{shop.app}").json()["maintenance"]
    assert shop.look(number)["error"]["id"] == "run_cancelled"


def test_called_off_it_ends_although_the_account_that_began_it_has_lost_the_app(shop: Shop, things: Things) -> None:
    author = f"{unique('author')}@example.com"
    member = f"/apps/{shop.app}/collaborators"
    assert things.api.post(member, json={"user": author, "permissions": ["operate"]}).status_code == 201
    body = {"app": shop.app, "source": "DATABASE_URL", "to": STANDARD, "hold": "maintenance", "waits_for_word": True}
    with things.plane.client(things.token_for(author)) as client:
        made = client.post("/changeover/v1/changeovers", json=body)
    assert made.status_code == 201, made.text
    number = made.json()["id"]
    shop.until(number, "its target", lambda seen: seen["target"])
    assert things.api.delete(f"{member}/{author}").status_code == 200

    assert shop.act(number, "abort") == 200

    target = shop.until(number, "its end", lambda seen: seen["status"] == "failed")["target"]
    wait_until(lambda: things.api.get(f"/addons/{target}").status_code == 404, what="the target to be removed")


def test_called_off_a_follower_that_was_there_already_is_as_before(shop: Shop) -> None:
    """In the pause its readers give way to replay; afterwards they must not."""
    follower = shop.things.database(shop.app, follow=shop.source)["name"]
    with connect(shop.url()) as client, connect(shop.things.info(follower)["resource_url"]) as reader:
        before = reader.execute("SHOW max_standby_streaming_delay").fetchone()
        client.execute("BEGIN")
        client.execute("INSERT INTO orders (id) VALUES (1)")
        number = shop.begin(to=follower)
        shop.until(number, "an attempt", lambda seen: "open transaction" in (seen["waits_because"] or ""))
        assert shop.act(number, "abort") == 200
        shop.until(number, "its end", lambda seen: seen["status"] == "failed")

    with connect(shop.things.info(follower)["resource_url"]) as reader:
        assert reader.execute("SHOW max_standby_streaming_delay").fetchone() == before


def test_past_the_point_of_no_return_it_is_not_called_off(shop: Shop) -> None:
    number = shop.begin()
    shop.until_done(number)

    refused = shop.things.api.post(f"/changeover/v1/changeovers/{number}/actions/abort", json={})
    assert refused.status_code == 409


def test_a_plan_says_who_would_be_rejected_and_changes_nothing(shop: Shop) -> None:
    before = config_of(shop)
    with connect(shop.url(), application_name="reporting"):
        plan = shop.plane.must("pg:changeover", "-a", shop.app, "--to", "standard-2", "--plan").stdout

    assert "1 session of " in plan
    assert "(reporting) from 127.0.0.1" in plan
    assert "Pause:    about" in plan
    assert config_of(shop) == before


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"to": "nonsense"}, "neither a plan nor a follower"),
        ({"to": ESSENTIAL}, "can't be a follower"),
        ({"source": "HEROKU_POSTGRESQL_NONE"}, "Couldn't find the database"),
        ({"hold": "pooled"}, "through a pooler"),
        ({"hold": "prayer"}, "--hold prayer is not known"),
        ({"at": "tomorrow"}, "a moment with its time zone"),
    ],
)
def test_what_can_not_be_done_is_refused_before_anything_happens(
    shop: Shop, fields: dict[str, Any], error: str
) -> None:
    before = config_of(shop)
    body = {"app": shop.app, "source": "DATABASE_URL", "to": STANDARD, "hold": "maintenance", **fields}

    refused = shop.things.api.post("/changeover/v1/changeovers", json=body)

    assert refused.status_code in (404, 409, 422)
    assert error in refused.json()["message"]
    assert config_of(shop) == before


def test_two_changeovers_of_one_database_are_refused(shop: Shop) -> None:
    number = shop.begin(waits_for_word=True)
    body = {"app": shop.app, "source": "DATABASE_URL", "to": STANDARD, "hold": "maintenance"}

    assert shop.things.api.post("/changeover/v1/changeovers", json=body).status_code == 409
    assert shop.act(number, "abort") == 200
    shop.until(number, "its end", lambda seen: seen["finished_at"])


def config_of(shop: Shop) -> dict[str, str]:
    found: dict[str, str] = shop.things.api.get(f"/apps/{shop.app}/config-vars").json()
    return found


def url_leads_to(shop: Shop, target: str) -> bool:
    """DATABASE_URL is the target's, and what answers there can be written to."""
    with connect(shop.url()) as database:
        [(is_follower,)] = database.execute("SELECT pg_is_in_recovery()").fetchall()
    return not is_follower and shop.things.info(target)["resource_url"] == shop.url()


def test_clients_of_the_pooler_wait_and_none_fails(shop: Shop) -> None:
    shop.plane.must("pg:connection-pooling:attach", "DATABASE_URL", "-a", shop.app)
    pooled = "DATABASE_CONNECTION_POOL_URL"
    before = shop.url(pooled)

    with ordering(shop, name=pooled, clients=8) as orders:
        done = shop.changeover("--hold", "pooled")

    assert orders.failures == []
    assert shop.url(pooled) == before
    assert set(orders.acknowledged) == shop.orders()
    assert url_leads_to(shop, done["target"])


def test_the_source_is_destroyed_when_its_days_are_over(shop: Shop) -> None:
    done = shop.changeover("--keep-source", "1")
    with shop.plane.state() as state:
        state.execute("UPDATE changeovers SET released_at = now() - interval '2 days' WHERE run_id = %s", [done["id"]])

    shop.plane.child("worker").kill()  # its successor keeps house first

    wait_until(lambda: shop.things.api.get(f"/addons/{shop.source}").status_code == 404, what="the end of the source")
    assert url_leads_to(shop, done["target"])
