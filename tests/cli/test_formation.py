"""How many dynos of which size: what is understood, what is sent, what is said."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import Plane

from changeover.cli.formation import resizing, scaling
from changeover.errors import Misused

FORMATION = "GET /apps/shop/formation"
CHANGE = "PATCH /apps/shop/formation"


def process(kind: str, quantity: int, size: str = "Standard-1X") -> dict[str, Any]:
    return {"type": kind, "quantity": quantity, "size": size}


@pytest.fixture
def formation(plane: Plane) -> list[dict[str, Any]]:
    found = [process("worker", 1), process("web", 2, "Standard-2X")]
    plane.answers[FORMATION] = found
    plane.answers["GET /dyno-sizes"] = [
        {"name": "Standard-1X", "cost": {"cents": 2500, "unit": "month"}},
        {"name": "Standard-2X", "cost": {"cents": 5000, "unit": "month"}},
        {"name": "eco", "cost": None},
    ]
    return found


@pytest.mark.parametrize(
    ("change", "update"),
    [
        ("web=2", {"type": "web", "quantity": "2"}),
        ("worker+1", {"type": "worker", "quantity": "+1"}),
        ("night-worker-1", {"type": "night-worker", "quantity": "-1"}),
        ("web=0:Standard-2X", {"type": "web", "quantity": "0", "size": "Standard-2X"}),
        ("web=1:Shield-M", {"type": "web", "quantity": "1", "size": "Private-M"}),
    ],
)
def test_a_change_is_sent_as_the_official_cli_sends_it(change: str, update: dict[str, str]) -> None:
    assert scaling(change) == update


@pytest.mark.parametrize("change", ["web", "web=", "web=-1", "web=two", "=1", "web=1.5", "web=1:", "web 1"])
def test_what_is_no_change_is_refused(change: str) -> None:
    with pytest.raises(Misused, match="is not a valid change"):
        scaling(change)


def test_scaling_says_what_runs_now(typed: Keyboard, plane: Plane, formation: list[dict[str, Any]]) -> None:
    plane.answers[CHANGE] = [process("worker", 0), process("web", 2)]
    ended = typed("ps:scale", "worker=0", "-a", "shop")

    assert ended.stderr == "Scaling dynos... done, now running worker at 0:Standard-1X\n"
    assert plane.sent(CHANGE) == [{"updates": [{"type": "worker", "quantity": "0"}]}]


def test_a_wrong_change_among_right_ones_changes_nothing(
    typed: Keyboard, plane: Plane, formation: list[dict[str, Any]]
) -> None:
    assert typed("ps:scale", "web=2", "worker=-1", "-a", "shop").exit_code == 2
    assert plane.asked == []


def test_without_a_change_the_formation_is_shown_so_that_it_can_be_given_back(
    typed: Keyboard, plane: Plane, formation: list[dict[str, Any]]
) -> None:
    assert typed("scale", "-a", "shop").stdout == "web=2:Standard-2X worker=1:Standard-1X\n"


@pytest.mark.parametrize("words", ["ps:scale", "ps:type", "ps:type standard-2x"])
def test_an_app_without_a_procfile_is_told_about_it(typed: Keyboard, plane: Plane, words: str) -> None:
    ended = typed(*words.split(), "-a", "shop")

    assert ended.exit_code == 1
    assert "No process types on shop." in ended.stderr
    assert "changeover deploy DIR --app shop" in ended.stderr


def test_sizes_are_shown_with_their_prices(typed: Keyboard, plane: Plane, formation: list[dict[str, Any]]) -> None:
    lines = [line.split() for line in typed("ps:type", "-a", "shop").stdout.splitlines()]

    assert ["web", "Standard-2X", "2", "~$0.139", "$100"] in lines
    assert ["worker", "Standard-1X", "1", "~$0.035", "$25"] in lines
    assert ["Standard-2X", "2"] in lines


def test_one_size_is_for_all_types(typed: Keyboard, plane: Plane, formation: list[dict[str, Any]]) -> None:
    plane.answers[CHANGE] = formation
    ended = typed("ps:type", "standard-2x", "-a", "shop")

    assert ended.stderr == "Scaling dynos on shop... done\n"
    assert plane.sent(CHANGE)[0]["updates"][1] == {"type": "web", "size": "standard-2x"}


@pytest.mark.parametrize("changes", [("clock=eco",), ("web=eco", "worker"), ("eco", "basic"), ("web=",)])
def test_a_size_for_what_is_no_type_is_refused(changes: tuple[str, ...]) -> None:
    with pytest.raises(Misused):
        resizing(changes, ["web", "worker"])
