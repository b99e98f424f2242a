"""A child is judged by its progress: how long it was silent while it, and whoever watches it, could run."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from tests.fix_control_plane import wait_until

from changeover.service.watching import LONGEST_STEP_S, Patience, Watch

BEATS = """
import asyncio, sys
from changeover.service.watching import keep_beating
asyncio.run(keep_beating(int(sys.argv[1])))
"""
IS_BUSY = "while True: pass"
IS_BLOCKED = "import threading; threading.Event().wait()"

Watched = tuple[Watch, subprocess.Popen[bytes]]


@pytest.fixture
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A process that runs the program which the test names, and its watch."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    child = subprocess.Popen([sys.executable, "-P", "-c", request.param, str(write_end)], pass_fds=[write_end])
    os.close(write_end)
    yield Watch(child.pid, read_end), child
    child.kill()
    child.wait()
    os.close(read_end)


@pytest.mark.parametrize("watched", [BEATS], indirect=True)
def test_a_stopped_process_makes_no_progress_until_it_is_woken(watched: Watched) -> None:
    watch, child = watched
    select.select([watch.read_end], [], [], 20)
    assert watch.look() == 0

    child.send_signal(signal.SIGSTOP)
    wait_until(lambda: watch.look() > 1.5, what="its silence")
    assert watch.why == "it was stopped by a signal"

    child.send_signal(signal.SIGCONT)
    wait_until(lambda: watch.look() == 0, what="its next beat")


@pytest.mark.parametrize(
    ("watched", "why"),
    [(IS_BUSY, "it is in an endless loop"), (IS_BLOCKED, "its event loop is blocked")],
    indirect=["watched"],
)
def test_a_process_that_does_not_beat_makes_no_progress(watched: Watched, why: str) -> None:
    watch, _ = watched

    wait_until(lambda: watch.look() > 1.0 and watch.why == why, what="its silence")


@pytest.mark.parametrize("watched", [IS_BLOCKED], indirect=True)
def test_silence_that_nobody_listened_to_counts_for_a_second_at_most(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, _ = watched
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 3600)  # the parent was stopped, or the machine slept

    assert watch.look() <= LONGEST_STEP_S


@pytest.mark.parametrize("watched", [IS_BLOCKED], indirect=True)
def test_a_program_that_does_not_answer_is_replaced_only_once_its_time_is_over(watched: Watched) -> None:
    _, child = watched
    patience = Patience("router", after_s=0.5)

    assert not patience.is_over(child.pid)
    wait_until(lambda: patience.is_over(child.pid), what="the end of its time")
    assert not patience.is_over(child.pid), "its successor has as much"


@pytest.mark.parametrize("watched", [IS_BLOCKED], indirect=True)
def test_an_answer_gives_a_program_all_of_its_time_again(watched: Watched) -> None:
    _, child = watched
    patience = Patience("router", after_s=0.05)
    assert not patience.is_over(child.pid)

    patience.answered()

    assert not patience.is_over(child.pid)


def test_a_program_that_is_not_there_is_started_at_once() -> None:
    assert Patience("router", after_s=60).is_over(None)
