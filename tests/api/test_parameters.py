"""Malformed parameters are refused, never ignored: numbers in paths, queries of our own routes, names in bodies."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
from tests.fix_control_plane import ControlPlane
from tests.fix_things import ESSENTIAL, Things

OURS = "/changeover/v1/"
NOT_NUMBERS = (
    "1%0a",
    "%0a1",
    "%201",
    "+1",
    "-1",
    "1_0",
    "01",
    "0x1",
    "1.0",
    "1e3",
    "%d9%a1",
    "%c2%b2",
    "%ef%bc%91",
    "9" * 25,
)


def document(api: httpx2.Client) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = api.get(f"{OURS}openapi.json").json()["paths"]
    return paths


def test_a_number_in_a_path_is_plain_digits(api: httpx2.Client) -> None:
    """Of every route that has one."""
    numbered = [
        (method.upper(), path)
        for path, methods in document(api).items()
        for method, operation in methods.items()
        if any(one["in"] == "path" and one["schema"]["type"] == "integer" for one in operation.get("parameters", []))
    ]
    assert len(numbered) >= 5

    for method, path in numbered:
        for text in NOT_NUMBERS:
            answer = api.request(method, re.sub(r"{\w+}", text, path))
            assert (answer.status_code, answer.json().get("id")) == (422, "invalid_params"), (method, path, text)


@pytest.mark.parametrize(
    "query", ["limit=5", "limit=x", "before=%0a", "App=x", "app%5B%5D=x", "app[]=x", "{known}&{known}", "{name}="]
)
def test_every_route_of_ours_refuses_a_query_that_it_does_not_know(api: httpx2.Client, query: str) -> None:
    for path, methods in document(api).items():
        for method, operation in methods.items():
            if not path.startswith(OURS):
                continue
            names = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
            name = names[0] if names else "nothing"
            wanted = query.format(known=f"{name}=1", name=name)

            answer = api.request(method, re.sub(r"{\w+}", "1", path) + f"?{wanted}")

            assert (answer.status_code, answer.json().get("id")) == (422, "invalid_params"), (method, path)
            assert "query parameter" in answer.json()["what"]


@pytest.mark.parametrize("most", ["%0a5", "5%20", "+5", "1_0", "%d9%a5", "0", "9" * 30, "x"])
def test_the_length_of_the_audit_trail_is_plain_digits(api: httpx2.Client, most: str) -> None:
    answer = api.get(f"{OURS}audit?most={most}")

    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")


def test_a_query_that_is_known_is_served(api: httpx2.Client, things: Things) -> None:
    """Routes of Heroku's API ignore what they don't know, as Heroku does."""
    app = things.app()

    answers = [api.get(path) for path in (f"{OURS}runs?app={app}", f"{OURS}audit?app={app}&most=5", "/apps?limit=x")]

    assert [one.status_code for one in answers] == [200, 200, 200]


@pytest.mark.parametrize(
    "changed",
    [{"schedule_name": "NONSENSE_URL"}, {"schedule_name": "x"}, {"schedule_name": " DATABASE_URL"}, {"schedule_name": "_URL"},
     {"hour": "\u00b2"}, {"hour": "\u0663"}, {"hour": "1\n"}, {"hour": "24"}, {"timezone": "../UTC"}],
)  # fmt: skip
def test_a_backup_schedule_is_refused_when_a_part_of_it_is_malformed(
    api: httpx2.Client, things: Things, changed: dict[str, str]
) -> None:
    name = things.database(things.app(), ESSENTIAL)["name"]

    answer = api.post(f"/client/v11/databases/{name}/transfer-schedules", json={"hour": "2", **changed})

    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")
    if "schedule_name" in changed:
        assert "DATABASE" in answer.json()["message"]


def test_a_backup_schedule_may_use_any_name_of_its_database(api: httpx2.Client, things: Things) -> None:
    """The name in another app is kept as the one in the database's own app, where its backups are listed."""
    name = things.database(things.app(), ESSENTIAL)["name"]
    other = {"addon": name, "app": things.app(), "name": "ORDERS"}
    assert api.post("/addon-attachments", json=other).status_code == 201

    for given in (
        {},
        {"schedule_name": "DATABASE_URL"},
        {"schedule_name": "database"},
        {"schedule_name": "ORDERS_URL"},
    ):
        made = api.post(f"/client/v11/databases/{name}/transfer-schedules", json={"hour": "2", **given})

        assert (made.status_code, made.json()["name"]) == (201, "DATABASE_URL"), given


@pytest.mark.parametrize("key", ["vv1", "v01", "1v", "v1 ", "v%0a1", "v+1", "v"])
def test_a_release_is_named_by_its_number_or_v_and_its_number(api: httpx2.Client, things: Things, key: str) -> None:
    app = things.app()

    assert [api.get(f"/apps/{app}/releases/{one}").status_code for one in ("v1", "1", key)] == [200, 200, 404]


@pytest.mark.parametrize("at", ["\u0660\u0664:00", "4:00\n", "24:00", "04:0"])
def test_the_time_of_a_scheduled_job_is_plain_digits(api: httpx2.Client, things: Things, at: str) -> None:
    app = things.app()
    api.post(f"/apps/{app}/addons", json={"plan": "scheduler"})

    made = api.post(f"{OURS}apps/{app}/scheduler/jobs", json={"command": "true", "every": "daily", "at": at})

    assert (made.status_code, made.json()["id"]) == (422, "invalid_params")


SHAPE = {"id", "message", "what", "why", "fix", "retryable"}
TOKENLESS = (
    "/changeover/v1/logs/x",
    "/changeover/v1/logs/%20",
    "/changeover/v1/release-output/x",
    "/changeover/v1/backups/x",
)


@pytest.mark.parametrize("path", ["/healthz/", "/apps/", "/account/", "/changeover/v1/runs/", *TOKENLESS])
def test_an_answer_that_no_handler_made_has_the_shape_of_every_error(api: httpx2.Client, path: str) -> None:
    answer = api.get(path)

    assert answer.status_code in (403, 404)
    assert answer.json().keys() >= SHAPE


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/healthz", "/account", "/changeover/v1/ca", "/changeover/v1/openapi.json"])
def test_a_method_that_a_path_does_not_have_is_refused_in_the_shape_of_every_error(
    api: httpx2.Client, method: str, path: str
) -> None:
    answer = api.request(method, path)

    assert (answer.status_code, answer.json()["id"]) == (405, "method_not_allowed")
    assert answer.json().keys() >= SHAPE


def test_an_upgrade_to_another_protocol_is_an_ordinary_request(control_plane: ControlPlane) -> None:
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }  # fmt: skip

    answer = httpx2.get(f"{control_plane.url}/apps", headers=upgrade)

    assert (answer.status_code, answer.json().keys() >= SHAPE) == (401, True)


def test_a_database_that_is_being_created_and_a_run_without_code_are_refused_without_a_message(
    api: httpx2.Client, things: Things
) -> None:
    """The official CLI waits, or tries again, only then. Everything else of the shape is there."""
    app = things.app()
    name = api.post(f"/apps/{app}/addons", json={"plan": ESSENTIAL}).json()["name"]
    answers = [api.get(f"/client/v11/databases/{name}"), api.post(f"/apps/{app}/dynos", json={"command": "true"})]
    things.when_provisioned(name)

    assert [(one.status_code, one.json()["id"]) for one in answers] == [(404, "not_found"), (409, "not_available")]
    assert [one.json().keys() & SHAPE for one in answers] == [SHAPE - {"message"}] * 2
