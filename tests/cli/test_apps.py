"""An app is handed over only when its name was given."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import Plane

REQUESTS = {
    ("me@example.com", "friend@example.com"): "POST /account/app-transfers",
    ("me@example.com", "team"): "PATCH /teams/apps/shop",
    ("team@herokumanager.com", "friend@example.com"): "PATCH /teams/apps/shop",
}
WAYS = pytest.mark.parametrize(("owner", "recipient"), REQUESTS)


@pytest.fixture
def asked_for(plane: Plane, owner: str, recipient: str) -> str:
    """The request by which it is handed over."""
    plane.answers["GET /apps/shop"] = {**plane.answers["GET /apps/shop"], "owner": {"id": "o1", "email": owner}}
    request = REQUESTS[owner, recipient]
    plane.answers[request] = {"state": "accepted"}
    return request


@WAYS
@pytest.mark.usefixtures("asked_for")
@pytest.mark.parametrize("confirm", [[], ["--confirm", "shap"], ["--confirm", ""]])
def test_nothing_is_handed_over_unless_the_apps_name_is_given(
    typed: Keyboard, plane: Plane, recipient: str, confirm: list[str]
) -> None:
    ended = typed("apps:transfer", recipient, "-a", "shop", "--locked", *confirm)

    assert ended.exit_code == 2
    assert "--confirm shop" in ended.stderr or confirm
    assert {asked.method for asked in plane.asked} == {"GET"}


@WAYS
def test_an_app_is_handed_over_with_its_name(typed: Keyboard, plane: Plane, asked_for: str, recipient: str) -> None:
    ended = typed("apps:transfer", recipient, "-a", "shop", "--confirm", "shop")

    assert (ended.exit_code, len(plane.sent(asked_for))) == (0, 1), ended.stderr
