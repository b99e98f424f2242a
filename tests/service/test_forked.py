"""A process forked from the parent: what it takes along, and what it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.fix_control_plane import ControlPlane, wait_until

from changeover.service.forked import FAILED, Forked, fork


@pytest.fixture
def said(tmp_path: Path) -> Path:
    return tmp_path / "said"


def forked(act: Callable[[], int], said: Path, *keep: int) -> Forked:
    with said.open("wb") as file:
        return fork("changeover test", act, stdout=file.fileno(), stderr=file.fileno(), keep=keep)


def wait_for_ever() -> int:
    signal.pause()
    return 0


def test_its_exit_code_is_what_its_function_returned(said: Path) -> None:
    assert forked(lambda: 7, said).wait(60) == 7


def test_an_exception_is_told_and_ends_it(said: Path) -> None:
    def fail() -> int:
        raise ValueError("of all things")

    assert forked(fail, said).wait(60) == FAILED
    assert "ValueError: of all things" in said.read_text()


def test_a_refusal_to_go_on_is_told_and_ends_it(said: Path) -> None:
    assert forked(lambda: sys.exit("my parent is gone"), said).wait(60) == FAILED
    assert said.read_text() == "my parent is gone\n"


def test_one_that_was_killed_says_by_which_signal(said: Path) -> None:
    one = forked(wait_for_ever, said)
    one.kill()

    assert one.wait(60) == -signal.SIGKILL
    one.terminate()  # nobody is there any more: nothing happens


def test_one_that_goes_on_is_said_to(said: Path) -> None:
    one = forked(wait_for_ever, said)
    with pytest.raises(subprocess.TimeoutExpired):
        one.wait(0)
    one.terminate()
    assert one.wait(60) == -signal.SIGTERM


def test_only_kept_files_are_open_in_it(said: Path, tmp_path: Path) -> None:
    def others() -> int:
        known = {0, 1, 2, kept.fileno()}
        return len({int(path.name) for path in Path("/proc/self/fd").iterdir()} - known) - 1  # the listing's

    with (tmp_path / "a").open("w"), (tmp_path / "b").open("w") as kept:
        assert forked(others, said, kept.fileno()).wait(60) == 0


def test_signal_handlers_of_the_parent_are_not_its_own(said: Path) -> None:
    former = signal.signal(signal.SIGHUP, lambda *_: None)
    try:
        one = forked(wait_for_ever, said)
        os.kill(one.pid, signal.SIGHUP)
        assert one.wait(60) == -signal.SIGHUP
    finally:
        signal.signal(signal.SIGHUP, former)


def test_the_parent_of_a_control_plane_has_one_thread(control_plane: ControlPlane) -> None:
    """A fork copies the locks that other threads hold, and nobody would let go of them."""
    assert control_plane.process is not None
    parent = psutil.Process(control_plane.process.pid)
    wait_until(lambda: len(parent.children()) == 2, what="its children")

    assert parent.num_threads() == 1


def test_children_are_known_by_their_titles(control_plane: ControlPlane) -> None:
    titles = [control_plane.child(what).cmdline()[0] for what in ("worker", "control-plane")]

    assert titles == [f"changeover {what} --data-dir={control_plane.home}" for what in ("worker", "control-plane")]
