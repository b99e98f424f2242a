"""What holds for all requests: who asks, how errors look, ranges, and names given as text or object."""

from __future__ import annotations

import base64

import httpx2
import pytest
from tests.fix_control_plane import ControlPlane
from tests.fix_things import Things, unique


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic !!!", "Bearer", "Digest x"])
def test_without_a_good_token_nothing_is_told(control_plane: ControlPlane, header: str) -> None:
    answer = httpx2.get(f"{control_plane.url}/apps", headers={"Authorization": header} if header else {})

    assert (answer.status_code, answer.json()["id"]) == (401, "unauthorized")


def test_a_wrong_token_is_answered_without_a_message_where_the_official_cli_needs_that(
    control_plane: ControlPlane,
) -> None:
    answer = httpx2.get(f"{control_plane.url}/account", headers={"Authorization": "Bearer wrong"})

    assert (answer.status_code, answer.json()["id"], "message" in answer.json()) == (401, "unauthorized", False)


def test_the_token_may_come_as_the_password_of_basic(control_plane: ControlPlane) -> None:
    basic = base64.b64encode(f":{control_plane.token}".encode()).decode()

    answer = httpx2.get(f"{control_plane.url}/account", headers={"Authorization": f"Basic {basic}"})

    assert answer.json()["email"] == "operator@changeover.local"


def test_an_error_says_what_why_and_what_to_do(api: httpx2.Client) -> None:
    answer = api.get("/apps/nowhere-to-be-found")

    assert answer.status_code == 404
    assert answer.json() == {
        "id": "not_found", "what": "Couldn't find that app.", "why": "", "fix": "`changeover apps` lists yours.",
        "message": "Couldn't find that app.\n`changeover apps` lists yours.", "retryable": False, "resource": "app",
    }  # fmt: skip


@pytest.mark.parametrize("body", ["{", "[]", '"text"', "\x00"])
def test_a_body_that_is_no_object_is_refused(api: httpx2.Client, body: str) -> None:
    answer = api.post("/apps", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["id"]) == (400, "bad_request")


def test_a_path_that_does_not_exist_says_so_in_json(api: httpx2.Client) -> None:
    answer = api.get("/no/such/path")

    assert (answer.status_code, answer.json()["id"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("form", ["name", "{name}", "{id}"])
def test_a_thing_may_be_named_by_a_text_or_by_an_object(api: httpx2.Client, things: Things, form: str) -> None:
    space = api.get(f"/spaces/{things.space()}").json()
    named = {"name": space["name"], "{name}": {"name": space["name"]}, "{id}": {"id": space["id"]}}[form]

    app = api.post("/teams/apps", json={"name": unique("shop"), "space": named})

    assert app.json()["space"]["id"] == space["id"]


@pytest.mark.parametrize(
    "text", ["version ..; max=2, order=desc", "version ..; order=desc,max=2", "version ..; order=desc max=2;"]
)
def test_a_range_gives_the_newest_releases_first(api: httpx2.Client, things: Things, text: str) -> None:
    app = things.app()
    for value in "abc":
        api.patch(f"/apps/{app}/config-vars", json={"KEY": value})

    page = api.get(f"/apps/{app}/releases", headers={"Range": text})

    assert page.status_code == 206
    assert [release["version"] for release in page.json()] == [4, 3]
    rest = api.get(f"/apps/{app}/releases", headers={"Range": page.headers["Next-Range"]})
    assert (rest.status_code, [release["version"] for release in rest.json()]) == (200, [2, 1])


def test_a_range_of_something_else_can_not_be_satisfied(api: httpx2.Client) -> None:
    answer = api.get("/apps", headers={"Range": "nonsense"})

    assert (answer.status_code, answer.json()["id"]) == (416, "requested_range_not_satisfiable")
