"""What a refused account is told to do: the command names this account, this app, and what the request really needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx2
import pytest
from tests.fix_control_plane import ControlPlane
from tests.fix_things import ESSENTIAL, Things, unique

As = Callable[[str], httpx2.Client]


def address(name: str) -> str:
    return f"{name}@remedy.example"


@pytest.fixture
def as_(control_plane: ControlPlane, things: Things) -> Iterator[As]:
    """A client for the account of a name."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(control_plane.client(things.token_for(address(name))))


@pytest.fixture
def team(api: httpx2.Client, as_: As) -> str:
    name = unique("team")
    assert api.post("/teams", json={"name": name}).status_code == 201
    for role in ("viewer", "member"):
        as_(role)
        assert api.put(f"/teams/{name}/members", json={"email": address(role), "role": role}).status_code == 200
    return name


def fix_of(answer: httpx2.Response) -> str:
    assert answer.status_code == 403, answer.text
    fix: str = answer.json()["fix"]
    return fix


@pytest.mark.parametrize("permission", ["deploy", "operate", "manage"])
def test_a_rename_or_a_transfer_needs_the_owner_whatever_else_one_holds(
    api: httpx2.Client, things: Things, as_: As, permission: str
) -> None:
    app, someone = things.app(), as_("someone")
    api.post(f"/teams/apps/{app}/collaborators", json={"user": address("someone"), "permissions": [permission]})
    owner = api.get("/account").json()["email"]

    for tried in (
        someone.patch(f"/apps/{app}", json={"name": "other"}),
        someone.patch(f"/teams/apps/{app}", json={"owner": address("someone")}),
        someone.post("/account/app-transfers", json={"app": app, "recipient": address("someone")}),
        someone.delete(f"/apps/{app}"),
    ):
        assert fix_of(tried) == f"Ask {owner}."
        assert "Only the owner" in tried.json()["what"]


def test_the_command_that_is_proposed_works_for_the_account_that_is_told(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, as_: As, team: str
) -> None:
    """A stranger, a collaborator with less, a member of the team, and a viewer, whose role comes first."""
    app = things.app(team=team)
    api.post(f"/teams/apps/{app}/collaborators", json={"user": address("looks"), "permissions": ["view"]})
    expected = {
        "stranger": ["access:add"],
        "looks": ["access:update"],
        "member": ["access:add"],
        "viewer": ["members:set", "access:add"],
    }
    for name, commands in expected.items():
        who = as_(name)
        fix = fix_of(who.patch(f"/apps/{app}", json={"maintenance": False}))
        proposed = [part for part in fix.split("`") if part.startswith("changeover ")]
        assert [one.split()[1] for one in proposed] == commands, fix

        for one in proposed:
            control_plane.must(*one.split()[1:])

        assert who.patch(f"/apps/{app}", json={"maintenance": False}).status_code == 200, name


def test_the_owner_of_an_add_on_is_asked_with_a_command_that_works(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, as_: As
) -> None:
    app, who = things.app(), as_("guest")
    name = things.database(app, ESSENTIAL)["name"]
    for method, path in (("GET", f"/addons/{name}"), ("DELETE", f"/apps/{app}/addons/{name}")):
        api.delete(f"/apps/{app}/collaborators/{address('guest')}")
        [proposed] = [part for part in fix_of(who.request(method, path)).split("`") if part.startswith("changeover ")]

        control_plane.must(*proposed.split()[1:])

        assert who.get(f"/addons/{name}").status_code == 200


@pytest.mark.parametrize("name", ["stranger", "viewer"])
def test_an_admin_of_the_team_is_asked_with_a_command_that_works(
    control_plane: ControlPlane, api: httpx2.Client, as_: As, team: str, name: str
) -> None:
    who = as_(name)
    [proposed] = [part for part in fix_of(who.post("/apps", json={"team": team})).split("`") if "changeover" in part]

    control_plane.must(*proposed.split()[1:])

    assert who.post("/apps", json={"team": team}).status_code == 201


def test_a_read_token_is_not_to_be_replaced_where_its_account_lacks_the_right(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, as_: As
) -> None:
    app, who = things.app(), as_("reads")
    database = things.database(app, ESSENTIAL)["name"]
    api.post(f"/teams/apps/{app}/collaborators", json={"user": address("reads"), "permissions": ["view"]})
    token = who.post("/oauth/authorizations", json={"scope": ["read"]}).json()["access_token"]["token"]
    with control_plane.client(token) as reader:
        tried = [
            reader.patch(f"/apps/{app}", json={"maintenance": True}), reader.get(f"/apps/{app}/config-vars"),
            reader.post(f"/apps/{app}/addons", json={"plan": "scheduler"}),
            reader.post(f"/client/v11/databases/{database}/connection_reset"),
        ]  # fmt: skip
        assert ["access:update" in fix_of(one) for one in tried] == [True] * 4
        api.patch(f"/teams/apps/{app}/collaborators/{address('reads')}", json={"permissions": ["operate"]})

        allowed = reader.patch(f"/apps/{app}", json={"maintenance": True})

    assert "authorizations:create --scope write`" in fix_of(allowed)


def test_an_expired_token_says_so_and_how_to_get_another(
    control_plane: ControlPlane, api: httpx2.Client, things: Things
) -> None:
    made = api.post("/oauth/authorizations", json={"expires_in": 3600}).json()
    token = made["access_token"]["token"]
    with control_plane.state() as state:
        state.execute("UPDATE authorizations SET expires_at = now() - interval '1 minute' WHERE id = %s", [made["id"]])

    expired, unknown = (control_plane.typed("apps", "--json", token=one) for one in (token, "unknown"))

    said = json.loads(expired.stdout)
    assert (said["id"], "expired at 20" in said["why"]) == ("unauthorized", True)
    assert "authorizations:create" in said["fix"]
    assert "changeover env" not in said["fix"]
    assert "expired" not in json.loads(unknown.stdout)["why"]
