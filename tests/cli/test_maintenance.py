"""Maintenance mode, in the official CLI's words; our own flag for scheduled jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import Plane

APP = "GET /apps/shop"
CHANGE = "PATCH /apps/shop"


@pytest.mark.parametrize(("is_on", "says"), [(True, "on\n"), (False, "off\n")])
def test_maintenance_says_whether_it_is_on(typed: Keyboard, plane: Plane, is_on: bool, says: str) -> None:
    plane.answers[APP]["maintenance"] = is_on

    assert typed("maintenance", "-a", "shop").stdout == says
    assert json.loads(typed("maintenance", "-a", "shop", "--json").stdout) == {"maintenance": is_on}


@pytest.mark.parametrize(
    ("words", "sent", "says"),
    [
        ("maintenance:on", {"maintenance": True}, "Enabling maintenance mode for shop... done\n"),
        ("maintenance on --scheduler-off", {"maintenance": True, "scheduler": False}, "Enabling"),
        ("maintenance:off", {"maintenance": False}, "Disabling maintenance mode for shop... done\n"),
    ],
)
def test_switching_is_one_request(typed: Keyboard, plane: Plane, words: str, sent: dict[str, Any], says: str) -> None:
    plane.answers[CHANGE] = plane.answers[APP]
    ended = typed(*words.split(), "-a", "shop")

    assert (ended.exit_code, plane.sent(CHANGE)) == (0, [sent])
    assert ended.stderr.startswith(says)
