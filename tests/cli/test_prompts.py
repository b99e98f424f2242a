"""What happens on a terminal: questions are asked there, and progress is drawn."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pexpect
import pytest
from tests.cli.plane import TOKEN, Plane, Turns

from changeover.cli.session import ask_to_confirm

QUESTION = "To proceed, type shop"


class Terminal(Protocol):
    def __call__(self, *words: str) -> pexpect.spawn[str]: ...


@pytest.fixture
def terminal(plane: Plane, tmp_path: Path) -> Iterator[Terminal]:
    """Types a command on a terminal of its own."""
    opened: list[pexpect.spawn[str]] = []

    def open_with(*words: str) -> pexpect.spawn[str]:
        env = {**os.environ, "CHANGEOVER_URL": plane.url, "CHANGEOVER_API_KEY": TOKEN, "TERM": "xterm-256color"}
        command = [sys.executable, "-m", "changeover.cli", *words]
        spawned = pexpect.spawn(
            command[0], command[1:], env=env, cwd=tmp_path, encoding="utf-8", timeout=20, dimensions=(40, 160)
        )
        opened.append(spawned)
        return spawned

    yield open_with
    for spawned in opened:
        spawned.close(force=True)


@pytest.mark.parametrize(("answer", "exit_code", "destroyed"), [("shop", 0, 1), ("shap", 2, 0)])
def test_destroying_asks_for_the_apps_name(
    terminal: Terminal, plane: Plane, answer: str, exit_code: int, destroyed: int
) -> None:
    spawned = terminal("addons:destroy", "DATABASE", "--app", "shop")
    spawned.expect("This command will affect the app")
    spawned.expect(QUESTION)
    spawned.sendline(answer)
    spawned.expect(pexpect.EOF)
    spawned.wait()

    assert spawned.exitstatus == exit_code
    assert len(plane.sent("DELETE /apps/a1/addons/d1")) == destroyed


@pytest.mark.parametrize(("answer", "exit_code", "sent"), [("shop", 0, 1), ("shap", 2, 0)])
def test_handing_an_app_over_asks_for_its_name(
    terminal: Terminal, plane: Plane, answer: str, exit_code: int, sent: int
) -> None:
    plane.answers["POST /account/app-transfers"] = {"state": "accepted"}
    spawned = terminal("apps:transfer", "friend@example.com", "--app", "shop")
    spawned.expect("will belong to friend@example.com")
    spawned.expect(QUESTION)
    spawned.sendline(answer)
    spawned.expect(pexpect.EOF)
    spawned.wait()

    assert (spawned.exitstatus, len(plane.sent("POST /account/app-transfers"))) == (exit_code, sent)


def test_an_interrupted_question_changes_nothing(terminal: Terminal, plane: Plane) -> None:
    spawned = terminal("addons:destroy", "DATABASE", "--app", "shop")
    spawned.expect(QUESTION)
    spawned.sendcontrol("c")
    spawned.expect(pexpect.EOF)
    spawned.wait()

    assert spawned.exitstatus == 130
    assert not plane.sent("DELETE /apps/a1/addons/d1")


def test_waiting_draws_the_per_cent_and_ends_in_the_plain_line(terminal: Terminal, plane: Plane) -> None:
    making = [{"waiting?": True, "message": f"copying ({per_cent} % completed)"} for per_cent in (20, 60)]
    plane.answers["GET /client/v11/databases/d1/wait_status"] = Turns(
        [*making, {"waiting?": False, "message": "available"}]
    )
    spawned = terminal("pg:wait", "--app", "shop", "--wait-interval", "0.3")
    spawned.expect(r"copying \(60 % completed\)")
    spawned.expect(r"Waiting for database .*postgresql-curved-1.*available")


def test_the_right_name_given_beforehand_asks_nothing() -> None:
    ask_to_confirm("shop", "shop")
