"""Apps, their config vars and releases, and who may work on them."""

from __future__ import annotations

import httpx2
import pytest
from tests.fix_control_plane import ControlPlane
from tests.fix_things import ESSENTIAL, Things, unique


def error_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["id"]


def test_a_new_app_without_a_name_gets_one(api: httpx2.Client, things: Things) -> None:
    made = api.post("/apps", json={})

    assert made.status_code == 201
    assert made.json()["create_status"] == "complete"
    assert len(made.json()["name"].split("-")) == 3


@pytest.mark.parametrize("name", ["ab", "1abc", "Shop", "shop-", "a" * 31, "shop_1", "schön"])
def test_a_name_that_no_app_can_have_is_refused(api: httpx2.Client, name: str) -> None:
    assert error_of(api.post("/apps", json={"name": name})) == (422, "invalid_params")


def test_a_name_is_given_once(api: httpx2.Client, things: Things) -> None:
    app = things.app()

    answer = api.post("/apps", json={"name": app})

    assert error_of(answer) == (422, "name_taken")
    assert answer.json()["what"] == f"Name {app} is already taken."


def test_an_app_is_renamed_and_found_under_its_new_name(api: httpx2.Client, things: Things) -> None:
    app, name = things.app(), unique("store")

    assert api.patch(f"/apps/{app}", json={"name": name}).json()["name"] == name
    assert api.get(f"/apps/{app}").status_code == 404
    assert api.get(f"/apps/{name}").status_code == 200


def test_maintenance_mode_is_remembered(api: httpx2.Client, things: Things) -> None:
    app = things.app()

    api.patch(f"/apps/{app}", json={"maintenance": True})

    assert api.get(f"/apps/{app}").json()["maintenance"] is True


def test_config_vars_are_set_and_removed_each_time_as_one_release(api: httpx2.Client, things: Things) -> None:
    app = things.app()

    api.patch(f"/apps/{app}/config-vars", json={"B": "2", "A": "1"})
    left = api.patch(f"/apps/{app}/config-vars", json={"A": None}).json()

    assert left == {"B": "2"}
    assert [one["description"] for one in api.get(f"/apps/{app}/releases").json()] == [
        "Initial release", "Set B, A config vars", "Remove A config vars",
    ]  # fmt: skip


@pytest.mark.parametrize("body", [{"NO GOOD": "x"}, {"9A": "x"}, {"A": 1}, {"A": "x" * 200_000}, {"A": {}}])
def test_a_config_var_that_no_environment_can_hold_is_refused(
    api: httpx2.Client, things: Things, body: dict[str, object]
) -> None:
    assert error_of(api.patch(f"/apps/{things.app()}/config-vars", json=body)) == (422, "invalid_params")


def test_the_url_of_an_attachment_can_not_be_overwritten(api: httpx2.Client, things: Things) -> None:
    app = things.app()
    things.database(app, ESSENTIAL)

    answer = api.patch(f"/apps/{app}/config-vars", json={"DATABASE_URL": "postgres://elsewhere"})

    assert error_of(answer) == (422, "invalid_params")
    assert answer.json()["what"] == "Cannot overwrite attachment values DATABASE_URL."


def test_a_rollback_puts_the_apps_own_config_back_and_leaves_attachments(api: httpx2.Client, things: Things) -> None:
    app = things.app()
    api.patch(f"/apps/{app}/config-vars", json={"KEY": "old"})
    things.database(app, ESSENTIAL)
    api.patch(f"/apps/{app}/config-vars", json={"KEY": "new", "OTHER": "x"})

    release = api.post(f"/apps/{app}/releases", json={"release": "2"}).json()

    config = api.get(f"/apps/{app}/config-vars").json()
    assert release["description"] == "Rollback to v2"
    assert config["KEY"] == "old"
    assert "OTHER" not in config
    assert config["DATABASE_URL"].startswith("postgres://")


def test_no_secret_lies_in_our_state_in_clear_text(
    control_plane: ControlPlane, api: httpx2.Client, things: Things
) -> None:
    app = things.app()
    api.patch(f"/apps/{app}/config-vars", json={"KEY": "very-secret-value"})
    things.database(app, ESSENTIAL)
    password = api.get(f"/apps/{app}/config-vars").json()["DATABASE_URL"].split(":")[2].split("@")[0]

    with control_plane.state() as state:
        found = state.execute("SELECT config_vars::text, releases::text FROM config_vars, releases").fetchall()
        found += state.execute(
            "SELECT credentials::text, authorizations::text FROM credentials, authorizations"
        ).fetchall()

    assert found != []
    for secret in ("very-secret-value", password, control_plane.token):
        assert secret not in str(found)


def test_somebody_elses_app_is_closed_until_its_owner_lets_them_in(
    control_plane: ControlPlane, api: httpx2.Client, things: Things
) -> None:
    app = things.app()
    with control_plane.client(things.token_for("dev@example.org")) as other:
        assert error_of(other.get(f"/apps/{app}")) == (403, "forbidden")
        assert app not in [one["name"] for one in other.get("/apps").json()]

        api.post(f"/apps/{app}/collaborators", json={"user": "dev@example.org"})
        assert other.get(f"/apps/{app}").status_code == 200
        assert app in [one["name"] for one in other.get("/apps").json()]

        api.delete(f"/apps/{app}/collaborators/dev@example.org")
        assert error_of(other.get(f"/apps/{app}")) == (403, "forbidden")


def test_an_unknown_team_is_made_for_the_caller(api: httpx2.Client, things: Things) -> None:
    team = unique("team")

    app = things.app(team=team)

    assert api.get(f"/apps/{app}").json()["owner"]["email"] == f"{team}@herokumanager.com"
    assert [one["name"] for one in api.get(f"/teams/{team}/apps").json()] == [app]
    assert [one["role"] for one in api.get(f"/teams/{team}/members").json()] == ["admin"]


def test_somebody_elses_team_can_not_be_joined_by_naming_it(
    control_plane: ControlPlane, api: httpx2.Client, things: Things
) -> None:
    team = unique("team")
    things.app(team=team)
    with control_plane.client(things.token_for("dev@example.org")) as other:
        assert error_of(other.post("/spaces", json={"name": unique("space"), "team": team})) == (403, "forbidden")


def test_a_space_with_an_app_in_it_is_not_destroyed(api: httpx2.Client, things: Things) -> None:
    space = things.space()
    app = things.app(space=space)

    assert error_of(api.delete(f"/spaces/{space}")) == (422, "invalid_params")
    api.delete(f"/apps/{app}")
    assert api.delete(f"/spaces/{space}").status_code == 200


def test_a_token_works_until_it_is_revoked(control_plane: ControlPlane, api: httpx2.Client) -> None:
    made = api.post("/oauth/authorizations", json={"description": "ci", "expires_in": "3600"}).json()
    with control_plane.client(made["access_token"]["token"]) as other:
        assert other.get("/account").status_code == 200
        api.delete(f"/oauth/authorizations/{made['id']}")
        assert other.get("/account").status_code == 401


def test_lists_never_show_a_whole_token(control_plane: ControlPlane, api: httpx2.Client) -> None:
    made = api.post("/oauth/authorizations", json={"description": "ci"}).json()

    listed = api.get("/oauth/authorizations").text

    assert made["access_token"]["token"] not in listed
    assert control_plane.token not in listed
    api.delete(f"/oauth/authorizations/{made['id']}")


def test_the_operators_token_can_be_rotated_but_not_revoked(own_plane: ControlPlane) -> None:
    with own_plane.client() as client:
        [own] = client.get("/oauth/authorizations").json()
        assert error_of(client.delete(f"/oauth/authorizations/{own['id']}")) == (422, "invalid_params")
        former = own_plane.token
        client.post(f"/oauth/authorizations/{own['id']}/actions/regenerate-tokens")

    assert own_plane.token != former
    assert own_plane.typed("auth:whoami").stdout.strip() == "operator@changeover.local"
    assert (own_plane.home / "operator-token").stat().st_mode & 0o777 == 0o600
