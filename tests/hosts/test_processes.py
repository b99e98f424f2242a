"""A pid proves nothing; what the process is does."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from changeover.errors import ServerFailed
from changeover.hosts.processes import Process, end_all, end_process, look_at, wait_until_gone
from changeover.hosts.programs import run_program, said_in, start_detached

Sleeper = subprocess.Popen[bytes]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Sleeper]:
    process = subprocess.Popen(["sleep", "600"], cwd=tmp_path)
    yield process
    process.kill()
    process.wait()


def seen(pid: int) -> Process:
    process = look_at(pid)
    assert process is not None
    return process


async def test_a_process_is_seen_with_where_it_works(sleeper: Sleeper, tmp_path: Path) -> None:
    process = seen(sleeper.pid)
    assert (process.program, process.working_directory, process.arguments) == ("sleep", tmp_path, ("sleep", "600"))
    assert not await wait_until_gone(process, timeout_s=0.05)


async def test_another_incarnation_of_the_pid_is_never_signalled(sleeper: Sleeper) -> None:
    earlier = replace(seen(sleeper.pid), started_ticks=1)
    assert not end_process(earlier, signal.SIGKILL)
    assert await wait_until_gone(earlier, timeout_s=1)
    assert sleeper.poll() is None


async def test_the_end_of_a_process_is_noticed_at_once(sleeper: Sleeper) -> None:
    process = seen(sleeper.pid)
    assert end_process(process, signal.SIGTERM)
    assert await wait_until_gone(process, timeout_s=5)
    assert look_at(sleeper.pid) is None
    assert not end_process(process, signal.SIGTERM)


async def test_what_ignores_the_gentle_signal_is_killed(sleeper: Sleeper) -> None:
    def still_there() -> list[Process]:
        process = look_at(sleeper.pid)
        return [process] if process else []

    await end_all(still_there, gently=signal.SIGCONT, timeout_s=0.1)
    assert sleeper.wait() == -signal.SIGKILL


async def test_a_detached_program_leaves_what_it_said(tmp_path: Path) -> None:
    log = tmp_path / "log"
    await start_detached(["/bin/echo", "done"], log=log)
    while not said_in(log):
        await run_program(["/bin/true"])
    assert said_in(log) == "done\n"
    assert said_in(tmp_path / "none") == ""


async def test_programs_see_a_minimal_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "secret")
    said = (await run_program(["/usr/bin/env"])).output
    assert {line.partition("=")[0] for line in said.splitlines()} == {"LC_ALL", "TZ", "PATH", "PGPASSFILE"}


async def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(ServerFailed, match="did not finish"):
        await run_program(["/bin/sleep", "60"], timeout_s=0.1)


def test_our_own_process_is_alive() -> None:
    assert seen(os.getpid()).started_ticks > 0
