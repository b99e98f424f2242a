"""Starts the installation's supervisord or adopts a running one, and cleans up after one that died."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from changeover.errors import RuntimeFailed
from changeover.hosts.processes import Process, end_all, end_process, everything_running
from changeover.hosts.programs import last_lines, said_in, start_detached
from changeover.runtime.dynos.alone import alone
from changeover.runtime.dynos.places import ATTACHED, ONCE, Places, parts_of
from changeover.runtime.dynos.programs import program_file, supervisor_file
from changeover.runtime.dynos.remains import bearing, gone_within, kill, noted, running_as
from changeover.runtime.dynos.rpc import Supervisor
from changeover.runtime.dynos.streams import read_sheet
from changeover.runtime.dynos.writing import write_whole

READY_S, LOOK_AGAIN_S, STRAYS_S = 20.0, 0.02, 5.0
MODULE = "changeover.runtime.dynos.supervisord"


async def start(places: Places, supervisor: Supervisor) -> bool:
    """Adopts a running one (False) or starts one (True), which restarts every known dyno. Raises RuntimeFailed."""
    places.make()
    async with alone(places.lock("supervisord"), timeout_s=60):
        if await supervisor.identity(timeout_s=5) == places.identity:
            return False
        await end_all(lambda: supervisors(places), gently=signal.SIGKILL)
        await end_strays(places)
        write_whole(places.configuration, supervisor_file(places))
        _renew_program_files(places)
        places.socket.unlink(missing_ok=True)
        arguments = [sys.executable, "-P", "-m", MODULE, "-c", str(places.configuration)]
        await start_detached(arguments, log=places.supervisor_said)
        await _until_it_answers(places, supervisor)
    return True


def _renew_program_files(places: Places) -> None:
    """They contain this version's paths. Those of an older version may be gone."""
    for path in places.program("").parent.glob("*.conf"):
        key = path.name.removesuffix(".conf")
        if sheet := read_sheet(places, key):
            write_whole(path, program_file(key, places, stop_s=sheet["stop_s"]))


async def end_strays(places: Places) -> None:
    """End what an earlier supervisord left. A new one does not know these processes and would start them again."""

    def is_stray(mark: str) -> bool:
        identity, _, rest = mark.partition("/")
        return identity == places.identity and rest.rpartition("/")[2] not in (ONCE, ATTACHED)

    def strays() -> list[Process]:
        known = [noted(path) for path in places.started("").iterdir() if parts_of(path.name)[2] != ONCE]
        return [*{process.pid: process for process in (*bearing(is_stray), *filter(None, known))}.values()]

    for process in strays():
        end_process(process, signal.SIGTERM)
    if not await gone_within(strays, STRAYS_S):
        await kill(strays)


async def end_everything_left(places: Places) -> None:
    """Includes attached one-offs, and processes of the apps' users without a mark."""
    prefix = f"{places.identity}/"

    def left() -> list[Process]:
        found = (
            *bearing(lambda mark: mark.startswith(prefix)),
            *running_as(places.users.all(), places.identity),
        )
        return [*{process.pid: process for process in found}.values()]

    await kill(left)


def supervisors(places: Places) -> list[Process]:
    """The supervisord processes of this installation, whether they answer or not."""
    configuration = str(places.configuration)
    return [one for one in everything_running() if MODULE in one.arguments and configuration in one.arguments]


async def _until_it_answers(places: Places, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + READY_S
    while await supervisor.identity() != places.identity:
        if time.monotonic() > deadline or not supervisors(places):
            raise RuntimeFailed(
                "The process supervisor of the dynos does not start.",
                why=last_lines(said_in(places.supervisor_said)),
                fix=f"See {places.supervisor_log}.",
            )
        await asyncio.sleep(LOOK_AGAIN_S)
