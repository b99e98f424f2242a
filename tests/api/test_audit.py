"""The audit trail: who did what, when, from where."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool
from tests.fix_control_plane import PROXY, ControlPlane
from tests.fix_state import StateDatabase
from tests.fix_things import ESSENTIAL, Things, unique

from changeover.platform.auditing import MOST_DISTINCT, Strangers, forget_old_events

Event = dict[str, Any]


def address(name: str) -> str:
    return f"{name}@audit.example"


def events(api: httpx2.Client, **wanted: Any) -> list[Event]:
    """The newest first, of those with these values."""
    found: list[Event] = api.get("/changeover/v1/audit", params={"most": 1000}).json()
    return [one for one in found if all(one[key] == value for key, value in wanted.items())]


@pytest.fixture
def user(control_plane: ControlPlane, things: Things) -> Iterator[httpx2.Client]:
    with control_plane.client(things.token_for(address("user"))) as client:
        yield client


def test_an_act_says_who_did_it_to_what_from_where_and_with_which_token(
    api: httpx2.Client, user: httpx2.Client
) -> None:
    app = user.post("/apps", json={"name": unique("shop")}).json()
    changed = user.patch(f"/apps/{app['name']}/config-vars", json={"SECRET": "not-for-the-trail"})

    [event] = events(api, request_id=changed.headers["request-id"])

    assert event == {
        **event,
        "account": address("user"), "action": "PATCH /apps/{app}/config-vars", "path": f"/apps/{app['name']}/config-vars",
        "app": {"id": app["id"], "name": app["name"]}, "address": "127.0.0.1", "outcome": "done", "error": None, "times": 1,
    }  # fmt: skip
    assert event["authorization"] in {one["id"] for one in user.get("/oauth/authorizations").json()}
    assert "not-for-the-trail" not in api.get("/changeover/v1/audit").text


@pytest.mark.parametrize(
    ("proxy", "forwarded", "recorded"),
    [
        (PROXY, "192.0.2.7", "192.0.2.7"),
        (PROXY, "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        (PROXY, f"192.0.2.7, {PROXY}", "192.0.2.7"),
        (PROXY, "2001:db8::7", "2001:db8::7"),
        (PROXY, "not an address", PROXY),
        ("127.0.0.3", "192.0.2.7", "127.0.0.3"),
    ],
)
def test_an_act_behind_a_trusted_proxy_has_its_clients_address(
    control_plane: ControlPlane, api: httpx2.Client, proxy: str, forwarded: str, recorded: str
) -> None:
    behind = {**api.headers, "X-Forwarded-For": forwarded}
    transport = httpx2.HTTPTransport(local_address=proxy)
    with httpx2.Client(base_url=control_plane.url, headers=behind, transport=transport) as client:
        acted = client.post("/teams", json={"name": unique("team")})

    assert [one["address"] for one in events(api, request_id=acted.headers["request-id"])] == [recorded]


def test_an_act_on_an_account_says_whose_and_what_it_was_given(api: httpx2.Client, things: Things) -> None:
    app, team, who = things.app(), unique("team"), address("given")
    api.post("/teams", json={"name": team})
    made = [
        api.post(f"/teams/apps/{app}/collaborators", json={"user": who, "permissions": ["view", "deploy"]}),
        api.put(f"/teams/{team}/members", json={"email": who, "role": "viewer"}),
        api.post("/oauth/authorizations", json={"user": who, "scope": ["read"]}),
    ]

    about = [events(api, request_id=one.headers["request-id"])[0]["resource"] for one in made]

    assert about == [f"{who}: view, deploy", f"{who}: viewer of {team}", f"{who}: read"]


def test_an_act_in_several_transactions_is_one_event_and_outlives_its_app(api: httpx2.Client, things: Things) -> None:
    app = things.app()
    destroyed = api.delete(f"/apps/{app}")
    assert destroyed.status_code == 200

    [event] = events(api, request_id=destroyed.headers["request-id"])

    assert (event["action"], event["app"]["name"], event["times"]) == ("DELETE /apps/{key}", app, 1)


def test_refused_attempts_are_recorded_and_equal_ones_merged(
    api: httpx2.Client, things: Things, user: httpx2.Client
) -> None:
    app = things.app()
    for _ in range(20):
        assert user.get(f"/apps/{app}/config-vars").status_code == 403

    found = events(api, account=address("user"), outcome="refused", action="GET /apps/{app}/config-vars")

    assert {one["app"]["name"] for one in found} == {app}
    assert sum(one["times"] for one in found) == 20
    assert len(found) <= 2  # a minute may have ended in between


def test_different_refused_attempts_are_different_events_and_say_what_they_were(
    api: httpx2.Client, things: Things, user: httpx2.Client
) -> None:
    """Of one route, on one app: by whom and what they would have changed, wherever they were refused."""
    app = things.app()
    tried = [
        user.post(
            f"/teams/apps/{app}/collaborators", json={"user": "eve@audit.example", "permissions": ["view", "manage"]}
        ),
        user.post(f"/teams/apps/{app}/collaborators", json={"user": {"id": "x"}, "permissions": ["view"]}),
        user.patch(f"/apps/{app}", json={"name": "mine"}),
        user.patch(f"/apps/{app}", json={"maintenance": True}),
        user.post(f"/apps/{app}/addons", json={"plan": "scheduler", "config": {"token": "hidden"}}),
        user.patch(f"/apps/{app}/formation", json={"updates": [{"type": "web", "quantity": 9}]}),
        user.patch(f"/apps/{app}/config-vars", json={"user": "hidden", "PLAN": "hidden"}),
        user.delete(f"/apps/{app}/collaborators/{address('someone')}"),
    ]
    assert [one.status_code for one in tried] == [403] * len(tried)

    found = [events(api, request_id=one.headers["request-id"])[0] for one in tried]

    assert [one["resource"] for one in found] == [
        "user=eve@audit.example, permissions=view+manage", "user=x, permissions=view", "name=mine", "maintenance=True",
        "plan=scheduler, config", "updates=web,9", "user, PLAN", None,
    ]  # fmt: skip
    assert found[-1]["path"].endswith(address("someone"))
    assert {one["app"]["name"] for one in found} == {app}
    assert "hidden" not in api.get("/changeover/v1/audit").text


def test_an_attempt_that_a_tokens_scope_forbids_says_what_it_concerned(
    control_plane: ControlPlane, api: httpx2.Client, things: Things
) -> None:
    """The handler never ran, and looked nothing up."""
    app = things.app()
    name = things.database(app, ESSENTIAL)["name"]
    token = api.post("/oauth/authorizations", json={"scope": ["read"]}).json()["access_token"]["token"]
    with control_plane.client(token) as reader:
        tried = [
            reader.delete(f"/apps/{app}"),
            reader.patch(f"/teams/apps/{app}", json={"owner": "eve@audit.example"}),
            reader.post("/account/app-transfers", json={"app": app, "recipient": "eve@audit.example"}),
            reader.put(f"/client/v11/databases/{name}/unfollow"),
            reader.delete(f"/apps/{app}/addons/{name}"),
            reader.post("/addon-attachments", json={"addon": {"name": name}, "app": {"name": app}}),
        ]

    for one in tried:
        [event] = events(api, request_id=one.headers["request-id"])
        assert (one.status_code, event["outcome"], event["app"]["name"]) == (403, "refused", app)
        assert app in event["path"] or event["resource"]


def test_a_client_that_varies_what_is_refused_does_not_fill_the_trail(
    api: httpx2.Client, things: Things, user: httpx2.Client
) -> None:
    app = things.app()
    for number in range(3 * MOST_DISTINCT):
        assert user.patch(f"/apps/{app}", json={"name": f"mine-{number}"}).status_code == 403

    found = [one for one in events(api, account=address("user"), outcome="refused") if one["app"]["name"] == app]

    assert sum(one["times"] for one in found) == 3 * MOST_DISTINCT
    assert len(found) <= 2 * (MOST_DISTINCT + 1)  # a minute may have ended in between


def test_nothing_in_the_trail_moves_the_cursor_of_its_reader(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, user: httpx2.Client
) -> None:
    user.patch(f"/apps/{things.app()}", json={"name": "\x1b[2J\r\nall is well", "\x1b[1m": 1})

    assert "\x1b" not in control_plane.must("audit").stdout
    assert "\\x1b[2J" in control_plane.must("audit").stdout


def test_reading_secrets_is_recorded_and_other_reading_is_not(
    api: httpx2.Client, things: Things, user: httpx2.Client
) -> None:
    app = user.post("/apps", json={"name": unique("shop")}).json()["name"]
    user.get(f"/apps/{app}")
    user.get(f"/apps/{app}/config-vars")

    found = [one["action"] for one in events(api, account=address("user")) if one["app"] and one["app"]["name"] == app]

    assert found == ["GET /apps/{app}/config-vars", "POST /apps"]


def test_what_fails_changes_nothing_and_is_recorded(api: httpx2.Client, things: Things) -> None:
    app = things.app()
    failed = api.patch(f"/apps/{app}", json={"build_stack": "none"})
    assert 400 <= failed.status_code < 500

    [event] = events(api, request_id=failed.headers["request-id"])

    assert (event["outcome"], event["error"]) == ("failed", failed.json()["id"])


def test_an_act_that_fails_after_it_looked_is_not_called_done(
    api: httpx2.Client, things: Things, user: httpx2.Client
) -> None:
    app = user.post("/apps", json={"name": unique("shop")}).json()["name"]
    refused = user.post(f"/changeover/v1/apps/{app}/deploys", content=b"no archive")
    assert 400 <= refused.status_code < 500

    assert events(api, account=address("user"), action="POST /changeover/v1/apps/{app}/deploys", outcome="done") == []


def test_one_sees_ones_own_acts_and_those_on_apps_that_one_manages(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, user: httpx2.Client
) -> None:
    managed, viewed = things.app(), things.app()
    for app, permission in ((managed, "manage"), (viewed, "view")):
        body = {"user": address("user"), "permissions": [permission]}
        assert api.post(f"/teams/apps/{app}/collaborators", json=body).status_code == 201
    own = user.post("/apps", json={"name": unique("own")}).json()["name"]

    seen = {one["app"]["name"] for one in user.get("/changeover/v1/audit?most=1000").json() if one["app"]}

    assert {managed, own} <= seen
    assert viewed not in seen
    assert user.get(f"/changeover/v1/audit?app={managed}").status_code == 200
    assert user.get(f"/changeover/v1/audit?app={viewed}").status_code == 403
    typed = control_plane.must("audit", "--app", managed)
    assert "/collaborators" in typed.stdout


def test_a_flood_without_tokens_is_one_event_a_minute(state_database: StateDatabase) -> None:
    async def flood() -> None:
        strangers = Strangers()
        async with AsyncConnectionPool(
            make_conninfo(**state_database.state.conninfo), min_size=1, max_size=2, open=False
        ) as pool:
            for number in range(500):
                await strangers.note(pool, f"192.0.2.{number % 250}")
            strangers.recorded_at -= 61
            await strangers.note(pool, "192.0.2.251")
            assert state_database.look("SELECT times FROM audit_events ORDER BY id") == [(1,), (500,)]
            await forget_old_events(pool, 1)
            assert state_database.look("SELECT count(*) FROM audit_events") == [(2,)]
            state_database.look("UPDATE audit_events SET at = now() - interval '2 days' RETURNING id")
            await forget_old_events(pool, 1)
            assert state_database.look("SELECT count(*) FROM audit_events") == [(0,)]

    asyncio.run(flood())


def test_a_request_with_a_wrong_token_is_in_the_trail(control_plane: ControlPlane) -> None:
    """It may be counted in an event that is long past the newest: there is one a minute."""
    with control_plane.client("wrong") as stranger:
        assert stranger.get("/apps").status_code == 401

    with control_plane.state() as state:
        found = state.execute(
            "SELECT DISTINCT outcome, account_id, address FROM audit_events WHERE action = 'authenticate'"
        )
        assert found.fetchall() == [("refused", None, "127.0.0.1")]
