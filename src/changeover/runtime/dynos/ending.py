"""Ends dynos: SIGTERM to all processes of a dyno, time to finish, then SIGKILL."""

from __future__ import annotations

import asyncio
import signal
import time
import xmlrpc.client
from dataclasses import dataclass
from typing import Any

from changeover.errors import RuntimeFailed
from changeover.hosts.processes import Process, end_process
from changeover.runtime.dynos.places import Places
from changeover.runtime.dynos.remains import bearing, gone_within, is_in_group, kill
from changeover.runtime.dynos.rpc import BAD_NAME, NOT_RUNNING, STILL_RUNNING, Supervisor

LOOK_AGAIN_S = 0.03
PATIENCE_S = 15.0
"""How much longer than `stop_s` a stop may take before it counts as failed."""


@dataclass(frozen=True)
class Ending:
    """`stop_s`: how long a dyno may take to end."""

    places: Places
    supervisor: Supervisor
    stop_s: float

    async def end(self, key: str) -> None:
        """Stop and remove it. Its program file goes first, so that a restarted supervisord doesn't bring it back."""
        self.places.program(key).unlink(missing_ok=True)
        await self.take_down(key)
        self.places.remove(key)

    async def take_down(self, key: str) -> None:
        """Stop it and remove it from supervisord. The next supervisord brings it back. Raises RuntimeFailed."""
        deadline = time.monotonic() + self.stop_s + PATIENCE_S
        while True:
            await self._stop(key)
            if await self.supervisor.call_unless({STILL_RUNNING}, "removeProcessGroup", key, fine={BAD_NAME}):
                return
            _not_later_than(deadline, key)

    async def _stop(self, key: str) -> None:
        """Stop all its processes, including those that left its process group."""
        began = time.monotonic()
        self._tell_those_outside(key, await self.info(key))
        await self._until_stopped(key, began + self.stop_s + PATIENCE_S)
        if not await gone_within(lambda: self._all_of(key), max(0.0, began + self.stop_s - time.monotonic())):
            await kill(lambda: self._all_of(key))

    async def info(self, key: str) -> dict[str, Any] | None:
        """supervisord's information about it. None if supervisord doesn't know it."""
        try:
            info: dict[str, Any] = await self.supervisor.call("getProcessInfo", f"{key}:{key}")
        except xmlrpc.client.Fault as refusal:
            if refusal.faultCode != BAD_NAME:
                raise
            return None
        return info

    async def _until_stopped(self, key: str, deadline: float) -> None:
        while (info := await self.info(key)) and info["statename"] not in ("STOPPED", "FATAL"):
            if info["statename"] != "STOPPING":
                await self.supervisor.call_unless({NOT_RUNNING, BAD_NAME}, "stopProcess", f"{key}:{key}", False)
            _not_later_than(deadline, key)
            await asyncio.sleep(LOOK_AGAIN_S)

    def _all_of(self, key: str) -> list[Process]:
        mark = self.places.mark(key)
        return bearing(lambda one: one == mark)

    def _tell_those_outside(self, key: str, info: dict[str, Any] | None) -> None:
        """Needed because supervisord's SIGTERM only reaches the process group."""
        for process in self._all_of(key):
            if not info or not is_in_group(process, info["pid"]):
                end_process(process, signal.SIGTERM)


def _not_later_than(deadline: float, key: str) -> None:
    if time.monotonic() > deadline:
        raise RuntimeFailed(
            f"The dyno {key} does not end.",
            why="It is still running after SIGKILL: it may be waiting for a disk, or be traced by a debugger.",
            fix="Check its processes on this host, then try again.",
        )
