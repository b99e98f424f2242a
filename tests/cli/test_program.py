"""Names, mistakes and exit codes: what holds for every command."""

from __future__ import annotations

import json

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import Plane, Reply

from changeover.cli.failures import exit_code
from changeover.cli.program import split_name, unknown_command
from changeover.errors import BadSetting, ConfirmationWrong, NoAnswer, NotFound, NotRunning


@pytest.mark.parametrize(
    ("words", "name", "rest"),
    [
        (["pg:info", "DATABASE"], "pg:info", ["DATABASE"]),
        (["pg", "info", "DATABASE"], "pg:info", ["DATABASE"]),
        (["pg", "DATABASE"], "pg", ["DATABASE"]),
        (["pg", "credentials", "url", "X"], "pg:credentials:url", ["X"]),
        (["pg:credentials", "url"], "pg:credentials:url", []),
        (["config", "get", "A"], "config:get", ["A"]),
        (["nonsense", "info"], "nonsense", ["info"]),
    ],
)
def test_the_parts_of_a_name_may_be_apart(words: list[str], name: str, rest: list[str]) -> None:
    assert split_name(words) == (name, rest)


def test_a_misspelled_command_is_told_the_nearest_one() -> None:
    assert unknown_command("pg:unfolow").fix == "Did you mean `changeover pg:unfollow`?"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("Couldn't find that app."), 1),
        (ConfirmationWrong("a", "b"), 2),
        (BadSetting("X", "y", wants="z"), 2),
        (NotRunning("nobody there"), 3),
        (NoAnswer("silence"), 3),
    ],
)
def test_an_exit_code_tells_failed_from_misused_from_unknown(error: NotFound, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pg:inof"], "pg:inof is not a changeover command."),
        (["pg:promote", "--app", "shop"], "Missing argument 'DATABASE'."),
        (["apps", "--nonsense"], "No such option"),
        (["pg:info"], "No app given."),
        (["config:set", "A", "--app", "shop"], "A is invalid. Must be in the format FOO=bar."),
        (["addons:create", "--app", "shop"], "No plan given."),
        (["spaces:info"], "Space name required."),
        (["pg:kill", "many", "--app", "shop"], "'many' is not a valid integer"),
    ],
)
def test_a_misused_command_says_so_and_asks_nobody(typed: Keyboard, plane: Plane, words: list[str], says: str) -> None:
    ended = typed(*words)

    assert ended.exit_code == 2
    assert says in ended.stderr
    assert "Error ID: misused" in ended.stderr
    assert not plane.asked


def test_what_the_server_refuses_is_printed_with_why_fix_and_id(typed: Keyboard, plane: Plane) -> None:
    body = {
        "id": "name_taken",
        "what": "Name b is already taken.",
        "why": "Another app has it.",
        "fix": "Choose another.",
    }
    plane.answers["PATCH /apps/shop"] = Reply(body, 422)
    ended = typed("apps:rename", "b", "--app", "shop")

    assert ended.exit_code == 1
    assert ended.stderr.splitlines()[1:] == [
        " ▸    Name b is already taken.",
        " ▸    Another app has it.",
        " ▸    Choose another.",
        " ▸",
        " ▸    Error ID: name_taken",
    ]


def test_an_error_is_json_where_json_was_asked_for(typed: Keyboard, plane: Plane) -> None:
    ended = typed("apps:info", "nobody", "--json")

    assert ended.exit_code == 1
    assert set(json.loads(ended.stdout)) == {"id", "what", "why", "fix"}
    assert json.loads(ended.stdout)["id"] == "not_found"
    assert ended.stderr == ""


def test_without_a_control_plane_every_command_says_how_to_start_one(
    typed: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANGEOVER_HOME", "/nonexistent")
    ended = typed("apps")

    assert ended.exit_code == 3
    assert "Start it with `changeover server`" in ended.stderr
    assert "Error ID: not_running" in ended.stderr


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands_by_topic(typed: Keyboard, words: list[str]) -> None:
    ended = typed(*words)

    assert ended.exit_code == 0
    assert "pg – PostgreSQL databases:" in ended.stdout
    assert "pg:credentials:url" in ended.stdout


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_the_version_is_printed(typed: Keyboard, words: list[str]) -> None:
    assert typed(*words).stdout.startswith("changeover 0.")
