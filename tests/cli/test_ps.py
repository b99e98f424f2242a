"""Dynos: how they are listed, and what restarting, stopping and waiting send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import CREATED, Plane, Turns

DYNOS = "GET /apps/shop/dynos"
LATEST = "version ..; max=1, order=desc"


def dyno(name: str, command: str, **changed: Any) -> dict[str, Any]:
    base = {
        "name": name,
        "type": name.partition(".")[0],
        "command": command,
        "size": "Standard-1X",
        "state": "up",
        "updated_at": CREATED,
        "release": {"version": 12},
    }
    return {**base, **changed}


@pytest.fixture
def dynos(plane: Plane) -> list[dict[str, Any]]:
    """Ten web dynos, one worker that starts, one one-off."""
    found = [dyno(f"web.{number}", "python web.py") for number in range(10, 0, -1)]
    found += [dyno("worker.1", "python work.py", state="starting"), dyno("run.7", "bash")]
    plane.answers[DYNOS] = found
    return found


def test_dynos_are_grouped_by_command_and_counted(typed: Keyboard, plane: Plane, dynos: list[dict[str, Any]]) -> None:
    lines = typed("ps", "-a", "shop").stdout.splitlines()

    assert lines[0] == "=== run: one-off processes (1)"
    assert lines[2] == "run.7 (Standard-1X): up 2026/01/01 00:00:00 +0000: bash"
    assert lines[4] == "=== web (Standard-1X): python web.py (10)"
    assert [line.partition(":")[0] for line in lines[6:16]] == [f"web.{number}" for number in range(1, 11)]
    assert lines[17:20] == [
        "=== worker (Standard-1X): python work.py (1)", "", "worker.1: starting 2026/01/01 00:00:00 +0000",
    ]  # fmt: skip


def test_dynos_of_one_type_are_listed_alone(typed: Keyboard, plane: Plane, dynos: list[dict[str, Any]]) -> None:
    assert [each["name"] for each in json.loads(typed("ps", "worker", "-a", "shop", "-j").stdout)] == ["worker.1"]


def test_a_type_without_dynos_is_an_error(typed: Keyboard, plane: Plane, dynos: list[dict[str, Any]]) -> None:
    ended = typed("ps", "clock", "-a", "shop")

    assert (ended.exit_code, "No clock dynos on shop" in ended.stderr) == (1, True)


def test_an_app_without_dynos_says_so(typed: Keyboard, plane: Plane) -> None:
    plane.answers[DYNOS] = []

    assert typed("ps", "-a", "shop").stdout == "No dynos on shop\n"


def test_dynos_of_a_shield_space_have_the_sizes_that_people_know(
    typed: Keyboard, plane: Plane, dynos: list[dict[str, Any]]
) -> None:
    plane.answers["GET /apps/shop"]["space"] = {"name": "vault", "shield": True}
    plane.answers[DYNOS] = [dyno("web.1", "python web.py", size="Private-M")]

    assert "=== web (Shield-M): python web.py (1)" in typed("ps", "-a", "shop").stdout


@pytest.mark.parametrize(
    ("words", "request_sent", "says"),
    [
        ("ps:restart", "DELETE /apps/shop/dynos", "Restarting all dynos on shop... done\n"),
        ("restart -d web.1", "DELETE /apps/shop/dynos/web.1", "Restarting dyno web.1 on shop... done\n"),
        ("ps:restart -p web", "DELETE /apps/shop/formations/web", "Restarting all web dynos on shop... done\n"),
        ("ps:stop -d run.7", "POST /apps/shop/dynos/run.7/actions/stop", "Stopping dyno run.7 on shop... done\n"),
        ("ps:stop -p web", "POST /apps/shop/formations/web/actions/stop", "Stopping all web dynos on shop... done\n"),
        ("ps:kill run.7", "POST /apps/shop/dynos/run.7/actions/stop", " ▸    Warning: DYNO is a deprecated argument."),
    ],
)
def test_restarting_and_stopping_is_one_request(
    typed: Keyboard, plane: Plane, words: str, request_sent: str, says: str
) -> None:
    plane.answers[request_sent] = {}
    ended = typed(*words.split(), "-a", "shop")

    assert (ended.exit_code, ended.stderr.startswith(says)) == (0, True)
    assert len(plane.sent(request_sent)) == 1


@pytest.mark.parametrize(
    "words", ["ps:stop", "ps:stop -d web.1 -p web", "ps:restart -d web.1 -p web", "ps:wait -t web -R"]
)
def test_what_is_meant_must_be_clear(typed: Keyboard, plane: Plane, words: str) -> None:
    assert typed(*words.split(), "-a", "shop").exit_code == 2
    assert plane.asked == []


def test_waiting_ends_when_every_dyno_runs_the_latest_release(typed: Keyboard, plane: Plane) -> None:
    old = [dyno("web.1", "x", release={"version": 11}), dyno("run.7", "x", release={"version": 3})]
    starting = [dyno("web.1", "x", state="starting"), dyno("release.9", "x", state="starting")]
    plane.answers[DYNOS] = Turns([old, starting, [dyno("web.1", "x"), dyno("run.7", "x", release={"version": 3})]])
    ended = typed("ps:wait", "-a", "shop", "-w", "0.01")

    assert ended.stderr == "Waiting for every dyno to be running v12... 1 / 1, done\n"
    assert plane.asked[0].headers["range"] == LATEST


def test_nothing_is_said_when_there_is_nothing_to_wait_for(typed: Keyboard, plane: Plane) -> None:
    plane.answers[DYNOS] = [dyno("web.1", "x")]
    assert typed("ps:wait", "-a", "shop").stderr == ""

    plane.answers["GET /apps/shop/releases"] = []
    assert "App shop has no releases" in typed("ps:wait", "-a", "shop").stderr
