"""What keeps dynos is killed, alone and under load; and replacing a dyno that people are using."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.runtime.fix_dynos import SERVE, Home, free_port, greeting, until

from changeover.hosts.processes import age_s, everything_running, look_at
from changeover.runtime.dynos.supervising import supervisors
from changeover.runtime.ports import PortPool
from changeover.runtime.runtime import Dyno

COUNT = "i=0; while true; do echo $((i+=1)); sleep 0.01; done"


def keeper_pid(home: Home) -> int | None:
    wanted = "changeover.runtime.dynos.log_keeper"
    found = [one.pid for one in everything_running() if wanted in one.arguments and str(home.home) in one.arguments]
    return found[0] if found else None


def kill_supervisor(home: Home) -> None:
    for process in supervisors(home.places):
        os.kill(process.pid, signal.SIGKILL)


async def test_after_supervisord_was_killed_every_dyno_runs_exactly_once(home: Home) -> None:
    serve = home.script(SERVE)
    dynos = [
        home.dyno("web.1", serve, port=free_port()),
        home.dyno("worker.1", COUNT),
        home.dyno("worker.2", "setsid -f sleep 600; exec sleep 601"),
    ]
    await home.dynos.apply(home.app, dynos)
    before = set(home.processes())

    kill_supervisor(home)
    await until(lambda: is_dead(home))
    await home.dynos.start()

    await home.until_state("web.1", "up")
    assert not before & set(home.processes())
    assert (await home.dynos.apply(home.app, dynos)).started == ()


async def is_dead(home: Home) -> bool:
    return not await home.dynos.is_alive()


async def test_a_stray_without_its_mark_is_found_by_its_pid(home: Home) -> None:
    """Programs that rename themselves may overwrite their environment."""
    hide = "import os; os.execve('/bin/sleep', ['sleep', '600'], {})"
    await home.dynos.apply(home.app, [home.dyno("worker.1", home.script(hide))])
    stray = (await home.pids())["worker.1"]
    await until(lambda: is_called(stray, "sleep"))

    kill_supervisor(home)
    await until(lambda: is_dead(home))
    await home.dynos.start()

    assert (look := look_at(stray)) is None or look.program != "sleep"


async def is_called(pid: int, name: str) -> bool:
    return (look := look_at(pid)) is not None and look.program == name


async def test_apply_goes_on_where_a_killed_one_stopped(home: Home) -> None:
    old = [home.dyno(f"worker.{n}", "exec sleep 600") for n in (1, 2, 3, 4)]
    new = [dataclasses.replace(dyno, release=2) for dyno in old]
    await home.dynos.apply(home.app, old)
    for moment_s in (0.01, 0.05, 0.1):
        first = asyncio.create_task(home.dynos.apply(home.app, new))
        await asyncio.sleep(moment_s)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    await home.dynos.apply(home.app, new)

    assert {state.release for state in await home.dynos.states(home.app)} == {2}
    await until(lambda: has_processes(home, 4))  # who has no port is started, but not waited for


async def has_processes(home: Home, count: int) -> bool:
    return len(home.commands()) == count


async def test_the_log_keepers_death_costs_no_line_and_no_dyno(home: Home) -> None:
    await home.dynos.apply(home.app, [home.dyno("worker.1", COUNT)])
    before = await home.pids()
    for _ in range(3):
        await home.until_said(str(len(home.said(source="app")) + 20))
        pid = keeper_pid(home)
        assert pid
        os.kill(pid, signal.SIGKILL)
    await home.until_said(str(len(home.said(source="app")) + 20))

    numbers = [int(line) for line in home.said(source="app")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert await home.pids() == before


@dataclass
class Visits:
    """What a client saw who came again and again."""

    served: list[str] = field(default_factory=list)
    refused: int = 0


@asynccontextmanager
async def visiting(ports: tuple[int, ...]) -> AsyncIterator[Visits]:
    """Comes every few milliseconds; tries the other port before it gives up, as a router does."""
    visits = Visits()

    async def come() -> None:
        while True:
            answers = [said for port in ports if (said := await greeting(port))]
            visits.served += answers[:1]
            visits.refused += not answers
            await asyncio.sleep(0.005)

    coming = asyncio.create_task(come())
    try:
        yield visits
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def test_replacing_a_web_dyno_leaves_no_moment_in_which_nobody_listens(home: Home) -> None:
    serve = home.script(SERVE)
    pool = PortPool().grown(2, taken=(), home=home.home)
    ports = pool.pick(2, in_use=())
    slow = {"BOOT_S": "0.5"}
    dynos = [home.dyno(f"web.{n}", serve, environment=slow, port=port) for n, port in enumerate(ports, 1)]
    await home.dynos.apply(home.app, dynos)
    heard: list[str] = []

    async def is_ready(dyno: Dyno) -> None:
        heard.append(dyno.name)

    async with visiting(pool.ports) as visits:
        for release in (2, 3):
            in_use = {state.port for state in await home.dynos.states(home.app) if state.port}
            fresh = pool.pick(2, in_use=in_use)
            wanted = [dataclasses.replace(d, release=release, port=p) for d, p in zip(dynos, fresh, strict=True)]
            await home.dynos.apply(home.app, wanted, when_ready=is_ready)

    assert visits.refused == 0
    assert len(visits.served) > 50
    assert heard == ["web.1", "web.2"] * 2
    assert {state.port for state in await home.dynos.states(home.app)} == set(fresh)


async def test_a_successor_that_does_not_come_up_still_ends_its_predecessor(home: Home) -> None:
    """A release is a decision: the old one must not go on writing into a database that was left."""
    old = home.dyno("web.1", home.script(SERVE), port=free_port())
    new = dataclasses.replace(old, command="exec sleep 600", port=free_port(), release=2)
    await home.dynos.apply(home.app, [old])

    applied = await home.dynos.apply(home.app, [new], ready_timeout_s=0.5)

    assert applied.not_ready == ("web.1",)
    assert (await home.state("web.1")).release == 2
    assert await greeting(old.port or 0) is None


async def test_a_web_dyno_that_does_not_listen_in_time_is_killed_and_tried_again(home: Home) -> None:
    """Its children too; one without a port has all the time in the world."""
    silent = home.dyno("web.1", "setsid -f sleep 601; exec sleep 600", port=free_port())
    await home.dynos.apply(home.app, [silent, home.dyno("worker.1", "exec sleep 600")], ready_timeout_s=1.2)
    first = (await home.pids())["web.1"]

    await home.until_said(
        "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 1.2 seconds of launch"
    )
    await home.until_said("State changed from starting to crashed")
    await until(lambda: is_another_one(home, first))

    assert home.said(dyno="web.1", source="heroku")[:6] == [
        "State changed from down to starting",
        f"Starting process with command `{silent.command}`",
        "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 1.2 seconds of launch",
        "Stopping process with SIGKILL",
        "Process exited with status 137",
        "State changed from starting to crashed",
    ]
    assert not any("R10" in line for line in home.said(dyno="worker.1"))


async def is_older_than(pid: int | None, seconds: float) -> bool:
    process = look_at(pid or 0)
    return process is not None and age_s(process) > seconds


async def is_another_one(home: Home, pid: int | None) -> bool:
    state = await home.state("web.1")
    return state.state == "starting" and state.pid not in (None, pid)


async def test_a_web_dyno_that_listens_in_time_lives_on(home: Home) -> None:
    await home.dynos.apply(home.app, [home.dyno("web.1", home.script(SERVE), port=free_port())], ready_timeout_s=1)
    before = await home.pids()

    await until(lambda: is_older_than(before["web.1"], 1.5))

    assert await home.pids() == before
    assert not any("R10" in line for line in home.said())


@pytest.mark.parametrize("count", [20])
async def test_many_dynos_at_once(home: Home, count: int) -> None:
    dynos = [home.dyno(f"worker.{n}", "exec sleep 600") for n in range(1, count + 1)]

    await home.dynos.apply(home.app, dynos)
    assert [state.name for state in await home.dynos.states(home.app)] == [dyno.name for dyno in dynos]
    await home.dynos.apply(home.app, [])

    assert home.processes() == []
    assert list(home.places.pipes.iterdir()) == [home.places.poke]
