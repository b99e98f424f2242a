"""What a release phase printed, and how a promotion's ended."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import Plane, Reply

from changeover.cli.pg import release_verdict

OUTPUT = "GET /output/12"
NUMBERED = "GET /apps/shop/releases/12"


@pytest.fixture
def release(plane: Plane) -> dict[str, Any]:
    """v12, whose release phase has printed something."""
    found: dict[str, Any] = plane.answers["GET /apps/shop/releases"][0]
    found["output_stream_url"] = f"{plane.url}/output/12"
    plane.answers[NUMBERED] = found
    plane.answers[OUTPUT] = Reply("migrating é\ndone".encode(), headers={"Content-Type": "text/plain"})
    return found


@pytest.mark.parametrize("words", ["releases:output", "releases:output v12", "releases output 12"])
def test_the_output_is_printed_as_it_is_without_our_token(
    typed: Keyboard, plane: Plane, release: dict[str, Any], words: str
) -> None:
    assert typed(*words.split(), "-a", "shop").stdout == "migrating é\ndone"
    assert "authorization" not in plane.asked[-1].headers


def test_as_json_the_output_is_a_text(typed: Keyboard, plane: Plane, release: dict[str, Any]) -> None:
    shown = json.loads(typed("releases:output", "-a", "shop", "--json").stdout)

    assert shown == {"version": 12, "output": "migrating é\ndone"}


def test_a_release_without_a_release_phase_has_no_output(
    typed: Keyboard, plane: Plane, release: dict[str, Any]
) -> None:
    release["output_stream_url"] = None
    ended = typed("releases:output", "-a", "shop")

    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "Release v12 has no release output available." in ended.stderr


@pytest.mark.parametrize(
    ("status", "says", "exit_code"),
    [
        (404, "Release command not started yet. Please try again in a few seconds.", 0),
        (500, "the answer was 500", 3),
    ],
)
def test_output_that_is_not_there_is_explained(
    typed: Keyboard, plane: Plane, release: dict[str, Any], *, status: int, says: str, exit_code: int
) -> None:
    plane.answers[OUTPUT] = Reply(None, status)
    ended = typed("releases:output", "-a", "shop")

    assert (ended.exit_code, says in ended.stderr, ended.stdout) == (exit_code, True, "")


def test_a_rollback_shows_its_release_phase(typed: Keyboard, plane: Plane, release: dict[str, Any]) -> None:
    plane.answers["POST /apps/shop/releases"] = Reply(release, 201)

    assert typed("rollback", "v12", "-a", "shop").stdout == "Running release command...\nmigrating é\ndone"


@pytest.mark.parametrize(
    ("output", "note"), [(None, "web dynos did not start"), ("http://127.0.0.1:9/output", "release command failed")]
)
def test_a_failed_release_says_whether_its_release_command_failed(
    typed: Keyboard, plane: Plane, release: dict[str, Any], output: str | None, note: str
) -> None:
    release |= {"status": "failed", "output_stream_url": output}

    assert note in typed("releases", "-a", "shop").stdout


ATTACH = {"status": "failed", "description": "Attach DATABASE (@ref:red)"}


@pytest.mark.parametrize(
    ("attach", "detach", "says", "exit_code"),
    [
        ("succeeded", "succeeded", "pg:promote succeeded.", 0),
        (
            "succeeded",
            "failed",
            "pg:promote succeeded. It is safe to ignore the failed Detach DATABASE (@ref:old) release.",
            0,
        ),
        (
            "failed",
            "succeeded",
            "pg:promote failed because Attach DATABASE (@ref:red) release was unsuccessful. Your application is "
            "currently running without an attached DATABASE_URL. Check your release phase logs for failure causes.",
            1,
        ),
        (
            "failed",
            "failed",
            "pg:promote failed because Attach DATABASE (@ref:red) release was unsuccessful. Your application is "
            "currently running with old-1 attached as DATABASE_URL. Check your release phase logs for failure causes.",
            1,
        ),
        ("pending", "pending", "timeout. Check your Attach DATABASE release for failures.", 3),
    ],
)
def test_a_promotions_release_phase_ends_in_the_official_clis_words(
    attach: str, detach: str, says: str, exit_code: int
) -> None:
    detached = {"status": detach, "description": "Detach DATABASE (@ref:old)"}

    assert release_verdict({**ATTACH, "status": attach}, detached, "old-1") == (says, exit_code)
