"""Who may do what: every route, asked by everyone who can ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import httpx2
import pytest
from fastapi import FastAPI
from tests.api.rights_page import PAGE, render
from tests.api.rights_requests import REQUESTS, Asked
from tests.fix_control_plane import ControlPlane, wait_until
from tests.fix_things import ESSENTIAL, Things, unique

from changeover.api.app import create_app
from changeover.api.rules import PUBLIC, RULES, require_rules, routes_of
from changeover.platform.desk import Desk
from changeover.platform.needs import AppNeed, Needs

ALL = {"view", "deploy", "operate", "manage", "own"}
HELD: dict[str, tuple[set[str], str | None]] = {
    # who           permissions on the team's app, role in its team
    "stranger": (set(), None),
    "team collaborator": (set(), "collaborator"),
    "team viewer": ({"view"}, "viewer"),
    "team member": ({"view"}, "member"),
    "team admin": (ALL, "admin"),
    "creator": (ALL, "member"),
    "with view": ({"view"}, None),
    "with deploy": ({"view", "deploy"}, None),
    "with operate": ({"view", "operate"}, None),
    "with manage": ({"view", "manage"}, None),
    "operator": (ALL, "admin"),
}
ENOUGH_ROLES = {
    "any role": {"collaborator", "viewer", "member", "admin"},
    "viewer": {"viewer", "member", "admin"},
    "member": {"member", "admin"},
    "admin": {"admin"},
}
SCOPES = {
    "identity": {"identity"},
    "read": {"identity", "read"},
    "read-protected": {"identity", "read", "read-protected"},
    "write": {"identity", "read", "write"},
    "write-protected": {"identity", "read", "read-protected", "write", "write-protected"},
    "global": {"identity", "read", "read-protected", "write", "write-protected", "global"},
}
DENIED = (401, 403)


@dataclass
class World:
    """A team with an app, a space, a database, a backup and a changeover; and a client for each of `HELD`."""

    names: dict[str, str]
    clients: dict[str, httpx2.Client]
    things: Things

    def ask(self, client: httpx2.Client, method: str, asked: Asked) -> int:
        """The status of one request."""
        body = {key: self._filled(value) for key, value in asked.body.items()}
        return client.request(method, self._filled(asked.path), json=body, follow_redirects=False).status_code

    def _filled(self, value: Any) -> Any:
        return value.format(**self.names) if isinstance(value, str) else value


def an_application() -> FastAPI:
    """Its routes alone: nothing is behind them."""
    nothing = cast(Any, None)
    return create_app(Desk(nothing, nothing, {}), nothing, nothing)


def _of(email: str) -> str:
    return f"{email.replace(' ', '-')}@rights.example"


def _client(plane: ControlPlane, token: str) -> httpx2.Client:
    return plane.client(token)


@pytest.fixture(scope="module")
def world(control_plane: ControlPlane) -> Iterator[World]:
    with control_plane.client() as api:
        things = Things(control_plane, api)
        clients = {who: _client(control_plane, things.token_for(_of(who))) for who in HELD if who != "operator"}
        clients["operator"] = _client(control_plane, control_plane.token)
        try:
            yield World(_things_of_the_world(things, clients), clients, things)
        finally:
            for client in clients.values():
                client.close()
            things.remove_all()


def _things_of_the_world(things: Things, clients: dict[str, httpx2.Client]) -> dict[str, str]:
    api, team, space = things.api, unique("team"), unique("space")
    assert api.post("/teams", json={"name": team}).status_code == 201
    for who, (_, role) in HELD.items():
        if role and who != "operator":
            assert api.put(f"/teams/{team}/members", json={"email": _of(who), "role": role}).status_code == 200
    made = clients["creator"].post("/apps", json={"name": unique("shop"), "team": team})
    assert made.status_code == 201, made.text
    app = made.json()["name"]
    for who in HELD:
        if who.startswith("with "):
            body = {"user": _of(who), "permissions": [who.removeprefix("with ")]}
            assert api.post(f"/teams/apps/{app}/collaborators", json=body).status_code == 201
    assert api.post("/spaces", json={"name": space, "team": team}).status_code == 201
    things.app(space=space)
    addon = things.database(app, ESSENTIAL)["name"]
    backup = _backup(things, app, addon)
    return {
        "app": app, "team": team, "space": space, "addon": addon, "backup": backup,
        "attachment": _attachment(things, app, addon), "run": _run_of(things, app), "changeover": _ended_changeover(things, app),
    }  # fmt: skip


def _backup(things: Things, app: str, addon: str) -> str:
    made = things.api.post(f"/client/v11/databases/{addon}/backups")
    assert made.status_code == 201, made.text
    path = f"/client/v11/apps/{app}/transfers/{made.json()['uuid']}"
    wait_until(lambda: things.api.get(path).json()["succeeded"], what="the backup")
    return str(made.json()["uuid"])


def _attachment(things: Things, app: str, addon: str) -> str:
    """The id of the one on the database's own app. Another app uses the database as well, so nobody can destroy it."""
    other = things.app()
    assert things.api.post("/addon-attachments", json={"addon": addon, "app": other}).status_code == 201
    [own] = things.api.get(f"/apps/{app}/addon-attachments").json()
    return str(own["id"])


def _run_of(things: Things, app: str) -> str:
    return str(things.api.get("/changeover/v1/runs", params={"app": app}).json()[0]["id"])


def _ended_changeover(things: Things, app: str) -> str:
    """One that failed long ago: written down, so that no server has to be made for it."""
    with things.plane.state() as db:
        row = db.execute(
            "INSERT INTO runs (kind, subject, app, host, input, status, step, finished_at)"
            " SELECT 'changeover', 'gone', name, 'local', '{}', 'failed', 'look', now() FROM apps WHERE name = %s"
            " RETURNING id",
            [app],
        ).fetchone()
        assert row is not None
        db.execute(
            "INSERT INTO changeovers (run_id, source_id, source_name, target_app_id, hold, prediction)"
            " SELECT %s, gen_random_uuid(), 'gone', id, 'maintenance', '{}' FROM apps WHERE name = %s",
            [row[0], app],
        )
    return str(row[0])


def _is_allowed(needs: Needs, asked: Asked, who: str) -> bool:
    permissions, role = HELD[who]
    if asked.on == "app":
        assert needs.app is not None
        return bool(
            permissions & {"deploy", "operate"} if needs.app is AppNeed.CONFIG else {needs.app.value} & permissions
        )
    if asked.on == "team":
        assert needs.team is not None
        return role in ENOUGH_ROLES[needs.team.value]
    return True


def test_every_route_has_a_rule_and_a_request_in_this_table() -> None:
    served = routes_of(an_application())

    assert served == {*RULES, *PUBLIC}
    assert set(RULES) == set(REQUESTS)


def test_an_application_with_a_route_without_a_rule_is_not_served() -> None:
    app = an_application()
    app.get("/apps/{app}/secrets")(lambda app: app)

    with pytest.raises(RuntimeError, match=r"disagree about: GET /apps/\{app\}/secrets"):
        require_rules(app)


def test_every_route_refuses_a_request_without_a_token_and_with_a_revoked_one(world: World) -> None:
    things = world.things
    made = things.api.post("/oauth/authorizations", json={"description": "revoked", "user": _of("creator")}).json()
    assert things.api.delete(f"/oauth/authorizations/{made['id']}").status_code == 200
    wrong = []
    with (
        httpx2.Client(base_url=things.plane.url, timeout=60) as nobody,
        _client(things.plane, made["access_token"]["token"]) as revoked,
    ):
        for (method, path), asked in REQUESTS.items():
            statuses = world.ask(nobody, method, asked), world.ask(revoked, method, asked)
            if statuses != (401, 401):
                wrong.append(f"{method} {path}: {statuses}")

    assert wrong == []


@pytest.mark.parametrize("who", HELD)
def test_every_route_allows_what_its_rule_says_and_nothing_else(world: World, who: str) -> None:
    wrong = []
    for key, asked in REQUESTS.items():
        status = world.ask(world.clients[who], key[0], asked)
        is_allowed = _is_allowed(RULES[key], asked, who)
        refusals = (403, 404) if asked.is_hidden else (403,)
        is_right = (status not in (*DENIED, 500) and not (asked.is_hidden and status == 404)) if is_allowed else (
            status in refusals
        )  # fmt: skip
        if not is_right:
            wrong.append(f"{' '.join(key)}: {status}, though it is {'allowed' if is_allowed else 'refused'}")

    assert wrong == []


@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_allows_only_what_its_scope_says(world: World, scope: str) -> None:
    body = {"description": f"only {scope}", "scope": [scope]}
    made = world.clients["creator"].post("/oauth/authorizations", json=body)
    assert made.status_code == 201, made.text
    wrong = []
    with _client(world.things.plane, made.json()["access_token"]["token"]) as client:
        for key, asked in REQUESTS.items():
            needed = RULES[key].token.value
            status = world.ask(client, key[0], asked)
            may_be_refused_by_role = asked.on == "team"
            if needed not in SCOPES[scope] and status != 403:
                wrong.append(f"{' '.join(key)}: {status}, though it needs {needed}")
            if needed in SCOPES[scope] and status in DENIED and not may_be_refused_by_role:
                wrong.append(f"{' '.join(key)}: {status}, though {scope} grants {needed}")

    assert wrong == []


def test_the_page_of_rights_is_what_the_rules_say() -> None:
    assert PAGE.read_text() == render(), "write it again: python -m tests.api.rights_page"
