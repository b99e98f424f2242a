"""A process that detaches from its dyno and clears its environment ends with the dyno all the same, as root and without."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator

import pytest
from tests.runtime.fix_dynos import Home, until

from changeover.hosts.processes import everything_running
from changeover.hosts.users import ensure_system_users
from changeover.runtime.dynos.remains import is_launcher

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
DETACH = """
import os, sys
os.environ.clear()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open("/dev/null", os.O_RDWR)
        [os.dup2(null, number) for number in (0, 1, 2)]
        os.execve("/bin/sleep", ["sleep", sys.argv[1]], {})
    os._exit(0)
os.wait()
"""
"""A daemon by the book: a session of its own, a second fork, no environment, no stream of its parent."""


class Strays:
    """Detached processes that nothing but a number in their arguments tells from others."""

    def __init__(self, home: Home) -> None:
        self._number = str(1_000_000 + int.from_bytes(os.urandom(4)))
        (home.directory / "detach.py").write_text(DETACH)
        (home.directory / "detach.py").chmod(0o644)
        by_hand = f"env -i setsid -f sleep {self._number} </dev/null >/dev/null 2>&1"
        self.started_by = f"python3 detach.py {self._number}; {by_hand}"

    def pids(self) -> list[int]:
        return [one.pid for one in everything_running() if one.arguments == ("sleep", self._number)]

    async def until_there(self) -> None:
        async def are_there() -> bool:
            return len(self.pids()) == 2

        await until(are_there)

    async def until_gone(self) -> None:
        async def are_gone() -> bool:
            return self.pids() == []

        await until(are_gone)


@pytest.fixture(params=["as root", "without root"])
async def home(request: pytest.FixtureRequest) -> AsyncIterator[Home]:
    """Without root the kernel makes no namespace for us; the launchers work as they do there."""
    if request.param == "as root" and os.geteuid() != 0:
        pytest.skip("needs root")
    await ensure_system_users()
    home = Home() if request.param == "as root" else Home(run_as=None)
    await home.dynos.start()
    yield home
    await home.close()


@pytest.fixture
def strays(home: Home) -> Strays:
    return Strays(home)


@pytest.mark.parametrize(
    "then", ["exec sleep 600", "trap '' TERM; while true; do sleep 600; done", "exec env -i sleep 600"]
)
async def test_it_is_gone_when_its_dyno_was_stopped(home: Home, strays: Strays, then: str) -> None:
    """Also where supervisord has to kill the dyno, and where the dyno itself has cleared its environment."""
    await home.dynos.apply(home.app, [home.dyno("worker.1", f"{strays.started_by}; {then}")])
    await strays.until_there()

    await home.dynos.apply(home.app, [])

    assert strays.pids() == []


async def test_it_is_gone_after_a_restart_and_a_release(home: Home, strays: Strays) -> None:
    with_strays = home.dyno("worker.1", f"{strays.started_by}; exec sleep 600")
    await home.dynos.apply(home.app, [with_strays])
    await strays.until_there()

    await home.dynos.apply(home.app, [home.dyno("worker.1", "exec sleep 600", release=2)])

    assert strays.pids() == []


async def test_it_is_gone_when_the_command_ends_by_itself(home: Home, strays: Strays) -> None:
    """The next attempt finds nothing of the one before."""
    await home.dynos.apply(
        home.app, [home.dyno("worker.1", f"{strays.started_by}; sleep 1.2; echo ends; sleep 0.3; exit 3")]
    )
    await strays.until_there()
    first = strays.pids()

    await home.until_said("Process exited with status 3")

    assert not set(first) & set(strays.pids())


@pytest.mark.parametrize("which", ["launcher", "holder", "command"])
async def test_it_is_gone_when_one_of_its_dyno_was_killed(home: Home, strays: Strays, which: str) -> None:
    await home.dynos.apply(home.app, [home.dyno("worker.1", f"{strays.started_by}; exec sleep 600")])
    await strays.until_there()
    first = strays.pids()
    launcher, holder = launchers(home)
    os.kill({"launcher": launcher, "holder": holder, "command": (await home.pids())["worker.1"]}[which], signal.SIGKILL)

    async def are_others() -> bool:
        return len(strays.pids()) == 2 and not set(first) & set(strays.pids())

    await until(are_others)


async def test_it_is_gone_when_its_one_off_ended(home: Home, strays: Strays) -> None:
    for number, ends_by in enumerate(("itself", "being stopped", "being forgotten"), 1):
        waits = "sleep 0.5" if ends_by == "itself" else "exec sleep 600"
        await home.dynos.run_once(home.dyno(f"run.{number}", f"{strays.started_by}; {waits}"))
        await strays.until_there()
        if ends_by == "being stopped":
            await home.dynos.stop_one_off(home.app, f"run.{number}")
        if ends_by == "being forgotten":
            await home.dynos.forget(home.app)

        await strays.until_gone()


async def test_it_is_gone_when_an_attached_one_off_ended(home: Home, strays: Strays) -> None:
    for tty in (True, False):
        async with home.dynos.attached(home.dyno("run.1", f"{strays.started_by}; exec sleep 600"), tty=tty):
            await strays.until_there()

        assert strays.pids() == []


async def test_it_is_gone_after_a_clean_stop(home: Home, strays: Strays) -> None:
    await home.dynos.apply(home.app, [home.dyno("worker.1", f"{strays.started_by}; exec sleep 600")])
    await strays.until_there()

    await home.dynos.stop()

    assert strays.pids() == []


@needs_root
async def test_what_an_apps_user_still_runs_ends_with_the_app_and_with_a_clean_stop() -> None:
    """Even where no launcher held it, such as one that a former version started."""
    await ensure_system_users()
    home = Home()
    await home.dynos.start()
    for ends_by in ("app", "stop"):
        uid = home.places.users.of(home.app)
        if not isinstance(uid, int):
            pytest.skip("the kernel maps no such numbers here")
        left = await asyncio.to_thread(lone_sleep, uid)

        await (home.dynos.forget(home.app) if ends_by == "app" else home.dynos.stop())

        assert await asyncio.to_thread(left.wait, 5) == -signal.SIGKILL
    await home.close()


def lone_sleep(uid: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sleep", "600"], user=uid, group=uid, extra_groups=[], env={}, start_new_session=True)


async def test_a_dyno_sees_only_its_own_processes_as_root(home: Home) -> None:
    if home.run_as is None:
        pytest.skip("needs root")
    seen = "ls /proc | grep -c '^[0-9]'; readlink /proc/self; echo end"
    await home.dynos.apply(home.app, [home.dyno("worker.1", "exec sleep 600")])
    await home.dynos.run_once(home.dyno("run.1", seen))
    await home.until_said("end")

    count, own, _ = home.said(source="app", dyno="run.1")
    assert (int(count) < 6, int(own) < 20) == (True, True)


def launchers(home: Home) -> list[int]:
    """The launcher first, then the holder."""
    return [one.pid for one in everything_running() if is_launcher(one) and str(home.home) in " ".join(one.arguments)]
