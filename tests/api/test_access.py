"""What the table of rights can't show: joining and leaving, locks, personal apps, secrets in answers, tokens that make tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
from tests.fix_control_plane import ControlPlane, wait_until
from tests.fix_things import ESSENTIAL, Things, unique

As = Callable[[str], httpx2.Client]


def address(name: str) -> str:
    return f"{name}@access.example"


@pytest.fixture
def as_(control_plane: ControlPlane, things: Things) -> Iterator[As]:
    """A client for the account of a name."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(control_plane.client(things.token_for(address(name))))


def status_of(answer: httpx2.Response) -> tuple[int, str | None]:
    body: Any = answer.json()
    return answer.status_code, body.get("id") if isinstance(body, dict) and answer.status_code >= 400 else None


FORBIDDEN = (403, "forbidden")


@pytest.fixture
def team(api: httpx2.Client) -> str:
    name = unique("team")
    assert api.post("/teams", json={"name": name}).status_code == 201
    return name


def test_a_permission_on_a_personal_app_is_enforced_and_no_list_means_all_but_own(
    api: httpx2.Client, things: Things, as_: As
) -> None:
    app = things.app()
    api.post(f"/teams/apps/{app}/collaborators", json={"user": address("viewer"), "permissions": ["view"]})
    api.post(f"/apps/{app}/collaborators", json={"user": address("friend")})
    viewer, friend = as_("viewer"), as_("friend")

    assert viewer.get(f"/apps/{app}").status_code == 200
    assert status_of(viewer.patch(f"/apps/{app}/config-vars", json={"A": "1"})) == FORBIDDEN
    assert friend.patch(f"/apps/{app}/config-vars", json={"A": "1"}).status_code == 200
    assert status_of(friend.patch(f"/apps/{app}", json={"name": unique("taken")})) == FORBIDDEN
    assert status_of(friend.delete(f"/apps/{app}")) == FORBIDDEN
    given = friend.post("/account/app-transfers", json={"app": app, "recipient": address("friend")})
    assert status_of(given) == FORBIDDEN


def test_a_lock_shuts_out_members_who_have_not_joined(api: httpx2.Client, things: Things, team: str, as_: As) -> None:
    for name in ("joined", "outside"):
        api.put(f"/teams/{team}/members", json={"email": address(name), "role": "member"})
    app = things.app(team=team)
    joined, outside = as_("joined"), as_("outside")
    assert joined.post(f"/teams/apps/{app}/collaborators", json={"user": address("joined")}).status_code == 201

    api.patch(f"/teams/apps/{app}", json={"locked": True})

    assert joined.get(f"/apps/{app}").status_code == 200
    assert status_of(outside.get(f"/apps/{app}")) == FORBIDDEN
    assert status_of(outside.post(f"/teams/apps/{app}/collaborators", json={"user": address("outside")})) == FORBIDDEN
    assert [one["name"] for one in joined.get("/apps").json()] == [app]
    assert outside.get("/apps").json() == []


def test_joining_grants_nothing_but_view_and_leaving_needs_no_permission(
    api: httpx2.Client, things: Things, team: str, as_: As
) -> None:
    api.put(f"/teams/{team}/members", json={"email": address("member"), "role": "member"})
    app, path = things.app(team=team), f"/apps/{{}}/collaborators/{address('member')}"
    member = as_("member")
    wanted = {"user": address("member"), "permissions": ["view", "manage"]}

    assert status_of(member.post(f"/teams/apps/{app}/collaborators", json=wanted)) == FORBIDDEN
    assert member.post(f"/teams/apps/{app}/collaborators", json={"user": address("member")}).status_code == 201
    assert status_of(member.get(f"/apps/{app}/config-vars")) == FORBIDDEN
    assert status_of(member.patch("/teams" + path.format(app), json={"permissions": ["manage"]})) == FORBIDDEN
    assert member.delete(path.format(app)).status_code == 200


def test_leaving_a_team_ends_what_was_granted_on_its_apps_and_what_was_created_there(
    api: httpx2.Client, things: Things, team: str, as_: As
) -> None:
    api.put(f"/teams/{team}/members", json={"email": address("leaver"), "role": "member"})
    leaver, granted = as_("leaver"), things.app(team=team)
    created = leaver.post("/apps", json={"name": unique("shop"), "team": team}).json()["name"]
    api.post(f"/teams/apps/{granted}/collaborators", json={"user": address("leaver"), "permissions": ["operate"]})
    assert [leaver.get(f"/apps/{app}/config-vars").status_code for app in (granted, created)] == [200, 200]

    api.delete(f"/teams/{team}/members/{address('leaver')}")

    assert [status_of(leaver.get(f"/apps/{app}")) for app in (granted, created)] == [FORBIDDEN, FORBIDDEN]
    assert leaver.get("/apps").json() == []


def test_the_last_admin_of_a_team_stays_one(api: httpx2.Client, team: str) -> None:
    me = api.get("/account").json()["email"]

    assert status_of(api.delete(f"/teams/{team}/members/{me}")) == (422, "invalid_params")
    assert status_of(api.put(f"/teams/{team}/members", json={"email": me, "role": "viewer"})) == (422, "invalid_params")


def test_only_those_who_may_read_config_vars_see_passwords_of_databases(
    api: httpx2.Client, things: Things, as_: As
) -> None:
    app = things.app()
    addon = things.database(app, ESSENTIAL)["name"]
    password = api.get(f"/client/v11/databases/{addon}").json()["database_password"]
    for name in ("view", "deploy"):
        api.post(f"/teams/apps/{app}/collaborators", json={"user": address(name), "permissions": [name]})

    seen = as_("view").get(f"/client/v11/databases/{addon}")

    assert seen.status_code == 200
    assert password not in seen.text
    assert password in as_("deploy").get(f"/client/v11/databases/{addon}").text


def test_an_app_that_has_an_add_on_attached_can_see_it_and_not_change_it(
    api: httpx2.Client, things: Things, as_: As
) -> None:
    owner, user = things.app(), as_("neighbour")
    addon = things.database(owner, ESSENTIAL)["name"]
    other = user.post("/apps", json={"name": unique("other")}).json()["name"]
    assert status_of(user.post("/addon-attachments", json={"addon": addon, "app": other})) == FORBIDDEN
    assert api.post("/addon-attachments", json={"addon": addon, "app": other, "name": "SHARED"}).status_code == 201

    assert user.get(f"/addons/{addon}").status_code == 200
    assert "SHARED_URL" in user.get(f"/apps/{other}/config-vars").json()
    renamed = user.patch(f"/apps/{other}/addons/SHARED", json={"name": unique("mine")})
    assert status_of(renamed) == FORBIDDEN
    assert owner in renamed.json()["message"]
    assert status_of(user.post(f"/client/v11/databases/{addon}/connection_reset")) == FORBIDDEN
    assert status_of(user.post(f"/client/v11/databases/{addon}/backups")) == FORBIDDEN
    assert user.post(f"/changeover/v1/apps/{other}/databases/SHARED/actions/promote").status_code == 200


def test_only_the_operator_makes_tokens_for_other_accounts(api: httpx2.Client, things: Things, as_: As) -> None:
    user = as_("somebody")

    assert status_of(user.post("/oauth/authorizations", json={"user": address("other")})) == FORBIDDEN
    assert user.post("/oauth/authorizations", json={"user": address("somebody")}).status_code == 201


def test_a_token_that_expires_makes_and_rotates_none_that_outlives_it(
    control_plane: ControlPlane, things: Things, as_: As
) -> None:
    user = as_("careful")
    [lasting] = user.get("/oauth/authorizations").json()
    short = user.post("/oauth/authorizations", json={"expires_in": "3600"}).json()
    with control_plane.client(short["access_token"]["token"]) as expiring:
        assert status_of(expiring.post("/oauth/authorizations", json={})) == FORBIDDEN
        assert status_of(expiring.post("/oauth/authorizations", json={"expires_in": 7200})) == FORBIDDEN
        assert expiring.post("/oauth/authorizations", json={"expires_in": 60}).status_code == 201
        rotated = expiring.post(f"/oauth/authorizations/{lasting['id']}/actions/regenerate-tokens")
        assert status_of(rotated) == FORBIDDEN
        own = expiring.post(f"/oauth/authorizations/{short['id']}/actions/regenerate-tokens").json()
        assert own["access_token"]["expires_in"] <= 3600


def test_a_rotated_token_keeps_its_scope(control_plane: ControlPlane, as_: As) -> None:
    user = as_("narrow")
    made = user.post("/oauth/authorizations", json={"scope": ["read"]}).json()
    token = user.post(f"/oauth/authorizations/{made['id']}/actions/regenerate-tokens").json()["access_token"]["token"]

    with control_plane.client(token) as narrow:
        assert narrow.get("/apps").status_code == 200
        assert status_of(narrow.post("/apps", json={})) == FORBIDDEN
        assert status_of(narrow.post("/oauth/authorizations", json={})) == FORBIDDEN


def test_roles_and_permissions_can_be_typed(control_plane: ControlPlane, api: httpx2.Client, things: Things) -> None:
    team, email = unique("team"), address("typed")
    app = things.app(team=team)

    control_plane.must("members:add", email, "--role", "viewer", "--team", team)
    control_plane.must("members:set", email, "--role", "member", "--team", team)
    assert f"{email} member" in " ".join(control_plane.must("members", "--team", team).stdout.split())
    control_plane.must("access:add", email, "-a", app, "--permissions", "deploy")
    control_plane.must("access:update", email, "-a", app, "--permissions", "operate")
    [found] = [one for one in api.get(f"/apps/{app}/collaborators").json() if one["user"]["email"] == email]
    assert sorted(one["name"] for one in found["permissions"]) == ["operate", "view"]
    made = control_plane.must("authorizations:create", "--user", email, "--scope", "read", "--short").stdout.strip()
    assert control_plane.typed("config", "-a", app, token=made).exit_code == 1
    assert control_plane.typed("apps:info", "-a", app, token=made).exit_code == 0
    control_plane.must("members:remove", email, "--team", team)
    assert control_plane.typed("apps:info", "-a", app, token=made).exit_code == 1


def test_naming_an_add_on_by_its_service_gives_no_right_on_another_apps_database(things: Things, as_: As) -> None:
    """An app that has it attached finds it by that name, as by any other."""
    owner = things.app()
    database = things.database(owner, ESSENTIAL)["name"]
    client = as_("neighbour")
    other = client.post("/apps", json={}).json()["name"]
    assert things.api.post("/addon-attachments", json={"addon": database, "app": other}).status_code == 201

    for key in ("heroku-postgresql", database):
        assert client.get(f"/apps/{other}/addons/{key}").status_code == 200
        assert status_of(client.patch(f"/apps/{other}/addons/{key}", json={"name": unique("mine")})) == FORBIDDEN
    assert things.api.get(f"/addons/{database}").status_code == 200
    client.delete(f"/apps/{other}")


async def test_two_admins_who_demote_each_other_leave_the_team_an_admin(
    control_plane: ControlPlane, api: httpx2.Client, team: str, as_: As
) -> None:
    for name in ("first", "second"):
        api.put(f"/teams/{team}/members", json={"email": address(name), "role": "admin"})
    [operator] = [one["email"] for one in api.get(f"/teams/{team}/members").json() if "@access" not in one["email"]]
    assert api.delete(f"/teams/{team}/members/{operator}").status_code == 200
    first, second = as_("first"), as_("second")

    def demote(by: httpx2.Client, whom: str) -> int:
        return by.patch(f"/teams/{team}/members", json={"email": address(whom), "role": "viewer"}).status_code

    with control_plane.state() as state:
        with state.transaction():
            state.execute("LOCK TABLE team_members IN SHARE MODE")
            both = [
                asyncio.ensure_future(asyncio.to_thread(demote, *one)) for one in ((first, "second"), (second, "first"))
            ]
            await asyncio.to_thread(wait_until, lambda: waiting(state) == 2, what="both requests to wait for a lock")
        answers = await asyncio.gather(*both)

    assert sorted(answers) == [200, 422]
    assert [one["role"] for one in api.get(f"/teams/{team}/members").json()].count("admin") == 1


def waiting(state: psycopg.Connection[Any]) -> int:
    """How many sessions of our state wait for a lock."""
    found = state.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize("scopes", [[], "", {}, [1], "global", ["everything"]])
def test_a_token_without_a_usable_scope_is_not_created(api: httpx2.Client, scopes: object) -> None:
    answer = api.post("/oauth/authorizations", json={"scope": scopes})

    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")


@pytest.mark.parametrize("name", ["line\n", "a b", "-a", "a" * 101, "ü"])
def test_a_team_is_not_created_with_a_name_that_no_command_can_type(api: httpx2.Client, name: str) -> None:
    answer = api.post("/teams", json={"name": name})

    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")


@pytest.mark.parametrize("scope", ["global", "read"])
def test_the_state_of_databases_and_releases_is_shown_without_secrets(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, scope: str
) -> None:
    """To a collaborator with `view`, and to the owner's own token that may not read secrets."""
    app = things.app()
    name = things.database(app, ESSENTIAL)["name"]
    url = api.get(f"/apps/{app}/config-vars").json()["DATABASE_URL"]
    token = things.token_for(address("looks"))
    if scope == "global":
        api.post(f"/teams/apps/{app}/collaborators", json={"user": address("looks"), "permissions": ["view"]})
    else:
        token = api.post("/oauth/authorizations", json={"scope": ["read"]}).json()["access_token"]["token"]

    for words in (["pg:info"], ["pg:info", "DATABASE"], ["pg:info", name, "--json"], ["releases:info"], ["pg:wait"]):
        ended = control_plane.typed(*words, "-a", app, token=token)

        assert (ended.exit_code, ended.stderr) == (0, ""), words
        assert urlsplit(url).password not in ended.stdout


@pytest.mark.parametrize("role", ["viewer", "member", "admin"])
def test_a_role_can_be_changed_of_a_member_only(api: httpx2.Client, team: str, role: str) -> None:
    who = f"{unique('new')}@access.example"

    refused = api.patch(f"/teams/{team}/members", json={"email": who, "role": role})

    assert status_of(refused) == (404, "not_found")
    assert f"members:add {who} --role {role} --team {team}`" in refused.json()["fix"]
    assert who not in api.get(f"/teams/{team}/members").text
    assert api.put(f"/teams/{team}/members", json={"email": who, "role": "viewer"}).status_code == 200
    assert api.patch(f"/teams/{team}/members", json={"email": who, "role": role}).json()["role"] == role
