"""Commands about this machine: which programs they become, and the environment of the official CLI."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import TOKEN, Plane

from changeover.cli import local, official
from changeover.cli.shells import completion_script
from changeover.client import Endpoint


class Became(Exception):
    pass


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The argument list of the program that the CLI handed over to."""
    seen: list[str] = []

    def become(arguments: list[str]) -> NoReturn:
        seen.extend(arguments)
        raise Became

    monkeypatch.setattr(local, "become", become)
    monkeypatch.setattr(official, "become", become)
    return seen


@pytest.mark.parametrize(
    ("words", "module", "rest"),
    [
        (["server", "--data-dir", "/d"], "changeover.service", ["serve", "--data-dir", "/d"]),
        (
            ["server", "--data-dir", "/d", "--listen", "127.0.0.1:0", "--leave-running"],
            "changeover.service",
            ["serve", "--data-dir", "/d", "--leave-running", "--listen", "127.0.0.1:0"],
        ),
        (["demo", "--break", "lose-one"], "changeover.demo", ["--break", "lose-one"]),
    ],
)
def test_a_local_command_becomes_our_own_program(
    typed: Keyboard, became: list[str], words: list[str], module: str, rest: list[str]
) -> None:
    with pytest.raises(Became):
        typed(*words)

    assert became == [sys.executable, "-P", "-m", module, *rest]


def test_the_data_dir_of_a_server_is_the_settings_home(
    typed: Keyboard, became: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANGEOVER_HOME", "/somewhere")
    with pytest.raises(Became):
        typed("server")

    assert became[-2:] == ["--data-dir", "/somewhere"]


def test_what_our_service_refuses_looks_like_any_other_failure(typed: Keyboard, tmp_path: Path) -> None:
    ended = typed("stop", "--data-dir", str(tmp_path / "nothing"), "--json")

    assert ended.exit_code == 3
    assert json.loads(ended.stdout)["id"] == "not_running"


def test_the_official_cli_is_always_pointed_to_this_host() -> None:
    found = official.exports(Endpoint("http://localhost:5000", TOKEN))

    assert found["HEROKU_HOST"] == found["HEROKU_PARTICLEBOARD_URL"] == "http://127.0.0.1:5000"
    assert (found["HEROKU_DATA_HOST"], found["PGDIAGNOSE_URL"]) == ("127.0.0.1", "127.0.0.1")
    assert (found["DISABLE_TELEMETRY"], found["HEROKU_DISABLE_AUTOUPDATE"]) == ("true", "1")


def test_env_can_be_evaluated_by_a_shell(typed: Keyboard, plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGEOVER_API_KEY", "it's; $HOME")
    script = typed("env").stdout + '\nprintf %s "$CHANGEOVER_API_KEY"'

    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == "it's; $HOME"


def test_env_of_a_named_folder_is_that_of_the_server_there(typed: Keyboard, plane: Plane, tmp_path: Path) -> None:
    (tmp_path / "endpoint.json").write_text('{"url": "http://127.0.0.1:5001"}')
    (tmp_path / "operator-token").write_text("other")
    found = json.loads(typed("env", "--data-dir", str(tmp_path), "--json").stdout)

    assert (found["CHANGEOVER_URL"], found["HEROKU_API_KEY"]) == ("http://127.0.0.1:5001", "other")


def test_without_the_official_cli_it_is_said_how_to_install_it(
    typed: Keyboard, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    ended = typed("heroku", "--", "pg:info")

    assert (ended.exit_code, "npm install --global heroku" in ended.stderr) == (1, True)


def test_the_official_cli_gets_its_words_and_a_home_of_its_own(
    typed: Keyboard, plane: Plane, became: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "heroku").write_text("#!/bin/sh\n")
    (tmp_path / "heroku").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", "/home")
    with pytest.raises(Became):
        typed("heroku", "--", "addons:create", "x", "--json", "--", "--follow", "Y")

    assert became[1:] == ["addons:create", "x", "--json", "--", "--follow", "Y"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_names_our_variable(shell: str) -> None:
    assert "_CHANGEOVER_COMPLETE" in completion_script(shell)


def test_bash_completes_a_name_with_a_colon(tmp_path: Path) -> None:
    """Bash ends a word at a colon unless told otherwise."""
    program = tmp_path / "changeover"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m changeover.cli "$@"\n')
    program.chmod(0o755)
    script = completion_script("bash") + (
        f"\nCOMP_WORDS=({program} pg:prom) COMP_CWORD=1; _changeover_completion {program}\n"
        'echo "${COMPREPLY[@]} [$COMP_WORDBREAKS]"'
    )
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)

    assert ended.stdout.startswith("pg:promote [")
    assert ":" not in ended.stdout.partition("[")[2]
