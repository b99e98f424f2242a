"""A control plane for one command: started where none runs, shared by commands, gone when nobody needs it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.fix_control_plane import CLI, make_home, remove_home, wait_until

from changeover.service.places import Places


@pytest.fixture
def home() -> Iterator[Path]:
    """What CHANGEOVER_HOME is; the private one lies beside it."""
    folder = make_home()
    yield folder / "data"
    remove_home(folder)


def verify(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command that needs a control plane and whose databases don't answer."""
    return subprocess.run(
        [*CLI, "verify", "postgres://u@127.0.0.1:1/a", "postgres://u@127.0.0.1:1/b", "--json", *words],
        env={**os.environ, "CHANGEOVER_HOME": str(home)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def servers(private: Path) -> list[psutil.Process]:
    return [
        one for one in psutil.process_iter(["cmdline"]) if any(str(private) in w for w in one.info["cmdline"] or [])
    ]


def test_a_command_without_a_control_plane_starts_one_that_ends_by_itself(home: Path) -> None:
    private = home.with_name("data-private")

    done = verify(home)

    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stdout, done.stderr
    assert not home.exists()
    wait_until(lambda: not servers(private), what="its end")
    assert not Places(private).endpoint.exists()


@pytest.mark.long
def test_a_private_control_plane_that_was_killed_is_in_nobodys_way(home: Path) -> None:
    private = home.with_name("data-private")
    verify(home)
    for process in servers(private):
        process.kill()
    wait_until(lambda: not servers(private), what="their end")

    assert "127.0.0.1:1" in verify(home).stdout
    wait_until(lambda: not servers(private), what="its end")
