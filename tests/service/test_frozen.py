"""A process of ours that makes no progress is replaced, with a line in the log; one that only slept goes on."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest
from tests.fix_control_plane import ControlPlane, is_dead, running_plane, wait_until
from tests.fix_things import Things

FROZEN_AFTER_S = 3


@pytest.fixture(scope="module")
def impatient_plane() -> Iterator[ControlPlane]:
    yield from running_plane(CHANGEOVER_FROZEN_AFTER=str(FROZEN_AFTER_S))


@pytest.mark.parametrize("what", ["worker", "control-plane"])
def test_a_frozen_process_is_replaced_and_the_log_says_why(impatient_plane: ControlPlane, what: str) -> None:
    frozen = impatient_plane.child(what)
    frozen.send_signal(signal.SIGSTOP)

    wait_until(lambda: is_dead(frozen), what="the end of the frozen process")
    wait_until(impatient_plane.healthy, what="its successor")

    said = (impatient_plane.home / "log/parent.log").read_text()
    assert f"the {what} (process {frozen.pid}) has made no progress for {FROZEN_AFTER_S} seconds" in said
    assert "it was stopped by a signal; it is killed and replaced" in said
    with impatient_plane.client() as api:
        assert Things(impatient_plane, api).app()


def test_a_killed_process_is_named_in_the_log(impatient_plane: ControlPlane) -> None:
    victim = impatient_plane.child("worker")
    victim.kill()

    wait_until(lambda: is_dead(victim) and impatient_plane.healthy(), what="its successor")

    said = (impatient_plane.home / "log/parent.log").read_text()
    assert f"the worker (process {victim.pid}) ended: killed by SIGKILL; it is started again" in said


@pytest.mark.long
def test_processes_that_sleep_for_20_seconds_go_on(own_plane: ControlPlane) -> None:
    log = own_plane.home / "log/worker.log"  # whoever sleeps while it opens its connections finds them timed out
    wait_until(lambda: "dumped the state" in log.read_text(), what="the worker's first round")
    sleepers = [own_plane.child("worker"), own_plane.child("control-plane")]
    for one in sleepers:
        one.send_signal(signal.SIGSTOP)
    _, alive = psutil.wait_procs(sleepers, timeout=20)
    for one in alive:
        one.send_signal(signal.SIGCONT)

    wait_until(own_plane.healthy, what="health to return")
    assert [own_plane.child("worker"), own_plane.child("control-plane")] == sleepers
