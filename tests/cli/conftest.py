"""What the tests of the command line share: a plane to speak to, and a way to type."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from tests.cli.plane import TOKEN, Plane, running_plane, shop

from changeover.cli import terminal
from changeover.cli.program import exit_code_of

OURS = ("CHANGEOVER_", "HEROKU_", "NO_COLOR", "PG")


@dataclass(frozen=True)
class Typed:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str


class Keyboard(Protocol):
    def __call__(self, *words: str) -> Typed: ...


@pytest.fixture
def plane(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Plane]:
    """A control plane with the app shop, that the command line of this test speaks to."""
    with running_plane() as plane:
        plane.answers = shop()
        monkeypatch.setenv("CHANGEOVER_URL", plane.url)
        monkeypatch.setenv("CHANGEOVER_API_KEY", TOKEN)
        monkeypatch.setenv("CHANGEOVER_HOME", str(tmp_path / "home"))
        yield plane


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Keyboard:
    """Type a command, in a folder that is no checkout, without a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(terminal, "is_interactive", lambda: False)

    def run(*words: str) -> Typed:
        capfd.readouterr()
        exit_code = exit_code_of(list(words))
        out = capfd.readouterr()
        return Typed(exit_code, out.out, out.err)

    return run


@pytest.fixture(autouse=True)
def no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
