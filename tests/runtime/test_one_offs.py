"""Processes that run once: detached with an exit code, and attached with somebody at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest
from tests.runtime.fix_dynos import IGNORE_SIGTERM, Home, until

from changeover.hosts.processes import look_at
from changeover.runtime.dynos.supervising import supervisors
from changeover.runtime.runtime import OneOff, Session


async def ended(home: Home, name: str = "run.1") -> OneOff:
    async def is_over() -> bool:
        found = home.dynos.one_off(home.app, name)
        return found is not None and found.state != "running"

    await until(is_over)
    found = home.dynos.one_off(home.app, name)
    assert found
    return found


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("exit 42", 42), ("kill -9 $$", 137), ("nonsense", 127)])
async def test_a_one_off_leaves_its_exit_code(home: Home, command: str, code: int) -> None:
    await home.dynos.run_once(home.dyno("run.1", command))

    one = await ended(home)

    assert (one.state, one.exit_code) == ("finished", code)
    await home.until_said(f"Process exited with status {code}")
    await home.until_said("State changed from up to complete")


async def test_what_it_says_is_in_the_log_and_in_a_file_of_its_own(home: Home) -> None:
    output = home.home / "output"
    await home.dynos.run_once(home.dyno("release.1", "echo migrating; echo done >&2"), output=output)

    await home.until_said("complete")

    assert home.said(source="app", dyno="release") == ["migrating", "done"]
    assert output.read_text() == "migrating\ndone\n"


async def test_starting_it_twice_runs_it_once(home: Home) -> None:
    dyno = home.dyno("run.1", "echo once; sleep 0.2")
    await asyncio.gather(*(home.dynos.run_once(dyno) for _ in range(3)))
    await ended(home)
    await home.at_hand().run_once(dyno)

    await home.until_said("complete")
    assert home.said(source="app") == ["once"]


async def test_it_outlives_its_starter_and_supervisord_and_the_log_goes_on(home: Home) -> None:
    await home.dynos.run_once(home.dyno("run.1", "echo before; sleep 1; echo after; exit 5"))
    await home.until_said("before")

    for process in supervisors(home.places):
        os.kill(process.pid, signal.SIGKILL)
    successor = home.at_hand()
    await successor.start()

    assert (await ended(home)).exit_code == 5
    await home.until_said("after")


async def test_it_is_stopped_gently_and_then_not(home: Home) -> None:
    await home.dynos.run_once(
        home.dyno("run.1", "trap 'echo bye; exit 9' TERM; echo up; while true; do sleep 0.1; done")
    )
    await home.dynos.run_once(home.dyno("run.2", home.script(IGNORE_SIGTERM)))
    await home.until_said("up")
    await home.until_said("ready")

    await asyncio.gather(*(home.dynos.stop_one_off(home.app, name) for name in ("run.1", "run.2")))

    assert [(one.name, one.exit_code) for one in home.dynos.one_offs(home.app)] == [("run.1", 9), ("run.2", 137)]
    assert home.processes() == []


async def test_one_that_was_killed_with_its_launcher_is_lost_and_not_run_again(home: Home) -> None:
    dyno = home.dyno("run.1", "echo once; exec sleep 600")
    await home.dynos.run_once(dyno)
    await home.until_said("once")
    await until(lambda: has_become(home, "sleep"))
    for pid in home.processes():
        with contextlib.suppress(ProcessLookupError):  # they end with each other
            os.kill(pid, signal.SIGKILL)

    assert (await ended(home)).state == "lost"
    assert (await home.dynos.run_once(dyno)).state == "lost"
    home.dynos.forget_one_off(home.app, "run.1")
    assert home.dynos.one_off(home.app, "run.1") is None


async def has_become(home: Home, program: str) -> bool:
    one = home.dynos.one_off(home.app, "run.1")
    look = look_at(one.pid) if one and one.pid else None
    return look is not None and look.program == program


async def heard(session: Session, until_it_has: bytes = b"\0") -> bytes:
    """What it says until that, or to the end."""
    said = b""
    async with asyncio.timeout(10):
        while until_it_has not in said and (block := await session.read()):
            said += block
    return said


async def test_somebody_at_a_terminal_sees_it_at_once_and_can_answer(home: Home) -> None:
    ask = "test -t 0 && test -t 1 && stty size && read -p 'name? ' name && echo hello $name > /dev/tty; exit 4"
    async with home.dynos.attached(home.dyno("run.1", ask), columns=132, rows=43) as session:
        assert b"43 132" in await heard(session, b"name? ")
        await session.write(b"Ada\n")
        assert b"hello Ada" in await heard(session)
        assert await session.exit_code() == 4
    assert home.processes() == []


async def test_a_terminal_can_change_its_size_and_send_an_interrupt(home: Home) -> None:
    watch = "trap 'stty size' WINCH; trap 'exit 130' INT; echo up; while true; do sleep 0.05; done"
    async with home.dynos.attached(home.dyno("run.1", watch)) as session:
        await heard(session, b"up")
        session.resize(100, 50)
        assert b"50 100" in await heard(session, b"50 100")
        await session.write(b"\x03")
        assert await session.exit_code() == 130


async def test_without_a_terminal_bytes_pass_as_they_are_both_ways(home: Home) -> None:
    data = bytes(range(256)) * 4000
    async with home.dynos.attached(home.dyno("run.1", "cat; exit 3"), tty=False) as session:
        said, _ = await asyncio.gather(read_all(session), write_all(session, data))
        assert await session.exit_code() == 3

    assert said == data


async def read_all(session: Session) -> bytes:
    blocks = []
    while block := await session.read():
        blocks.append(block)
    return b"".join(blocks)


async def write_all(session: Session, data: bytes) -> None:
    await session.write(data)
    await session.end_input()


@pytest.mark.parametrize("tty", [True, False])
async def test_hanging_up_ends_it_and_its_children(home: Home, tty: bool) -> None:
    family = "trap '' HUP TERM; setsid -f sleep 600; echo up; sleep 601"
    async with home.dynos.attached(home.dyno("run.1", family), tty=tty) as session:
        await heard(session, b"up")
        assert home.processes()

    assert home.processes() == []


async def test_a_background_child_does_not_keep_a_session_open(home: Home) -> None:
    async with home.dynos.attached(home.dyno("run.1", "sleep 600 & echo done"), tty=False) as session:
        assert await heard(session) == b"done\n"
        assert await session.exit_code() == 0


async def test_its_secrets_are_gone_from_disk_when_it_runs(home: Home) -> None:
    dyno = home.dyno("run.1", "echo up; sleep 600", environment={"SECRET": "hunter2"})
    async with home.dynos.attached(dyno) as session:
        await heard(session, b"up")
        assert [
            path for path in home.places.folder.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()
        ] == []
