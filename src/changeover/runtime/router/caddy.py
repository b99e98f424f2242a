"""The router with Caddy: a detached process that outlives us, controlled by a configuration, by files, and by its admin API.

Keeps no state: it inspects the running process and its files each time.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time

from changeover.errors import RouterFailed
from changeover.hosts.processes import end_all, end_process, wait_until_gone
from changeover.hosts.programs import last_lines, said_in
from changeover.runtime.router import pages
from changeover.runtime.router.admin import AdminApi, ChangedMeanwhile, Running
from changeover.runtime.router.configuration import Json, Room, configuration, room_in
from changeover.runtime.router.lanes import Lanes
from changeover.runtime.router.listening import address_of, has_clients, open_listener, parse_listen
from changeover.runtime.router.places import ERROR, MAINTENANCE, RouterPlaces
from changeover.runtime.router.program import routers_of, start_caddy, usable_caddy
from changeover.runtime.router.router import Address, RouterHealth, Site

READY_S = 15.0
GRACE_S = 10.0
LOOK_S = 2.0
DRAIN_S = 1.0
ATTEMPTS = 5


class CaddyRouter:
    """See `Router`. Only one process manages it with `start` and `stop`. Others may use the rest."""

    def __init__(self, places: RouterPlaces, *, trusted_proxies: tuple[str, ...] = ()) -> None:
        self.places, self._trusted_proxies = places, trusted_proxies
        self._admin = AdminApi(places.socket)
        self._turn = asyncio.Lock()
        self._lanes = Lanes(places)
        self._listener: socket.socket | None = None
        self._room_seen: tuple[tuple[int, int], Room] | None = None

    # -- starting and stopping

    async def check(self, listen: str) -> None:
        """Whether `start` could listen there. Changes nothing. Raises BadSetting, PortTaken."""
        asked, here = parse_listen(listen), self._remembered()
        is_ours = here is not None and _is_what(asked, here) and (await self.health()).is_up
        if asked.port and not is_ours:
            open_listener(asked, None, home=self.places.home).close()

    async def start(self, listen: str = "127.0.0.1:0") -> Address:
        asked = parse_listen(listen)
        async with self._turn:
            self.places.make()
            self.places.draining.unlink(missing_ok=True)
            here = self._remembered()
            if here and _is_what(asked, here) and (await self.health()).is_up:
                return here
            await self._end()  # not running, not answering, or listening elsewhere
            listener = self._listener_at(asked, here)
            self._write(self._configuration(self._room()))
            program = await asyncio.to_thread(usable_caddy, self.places)
            await asyncio.to_thread(start_caddy, program, listener, self.places)
            await self._until_it_answers()
            return address_of(listener)

    def _listener_at(self, asked: Address, remembered: Address | None) -> socket.socket:
        """The listener of a dead Caddy with all waiting connections, or else a new one."""
        if self._listener and _is_what(asked, address_of(self._listener)):
            return self._listener
        self.leave()
        self._listener = open_listener(asked, remembered, home=self.places.home)
        self.places.write(self.places.listening, str(address_of(self._listener)).encode(), durably=True)
        return self._listener

    def leave(self) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None

    def _remembered(self) -> Address | None:
        try:
            return parse_listen(self.places.listening.read_text())
        except FileNotFoundError:
            return None

    async def _until_it_answers(self) -> None:
        deadline = time.monotonic() + READY_S
        while not (await self.health()).is_up:
            if not routers_of(self.places) or time.monotonic() > deadline:
                raise self._why_it_failed()
            await asyncio.sleep(0.01)

    def _why_it_failed(self) -> RouterFailed:
        return RouterFailed(
            "The router did not start.",
            why=last_lines(said_in(self.places.said), 3),
            fix=f"Fix the reported problem. See also {self.places.logs}/caddy.log.",
        )

    async def stop(self) -> None:
        async with self._turn:
            self.leave()
            await self._end()

    async def _end(self) -> None:
        """Gracefully if possible. If it does not answer, kill it."""
        if (await self.health()).is_up:
            for process in routers_of(self.places):
                end_process(process, signal.SIGTERM)
                await wait_until_gone(process, timeout_s=GRACE_S + 2)
        await end_all(lambda: routers_of(self.places), gently=signal.SIGKILL)

    async def until_down(self) -> None:
        for process in await asyncio.to_thread(routers_of, self.places):
            await wait_until_gone(process)

    async def silent_process(self) -> int | None:
        return next((one.pid for one in await asyncio.to_thread(routers_of, self.places)), None)

    async def health(self) -> RouterHealth:
        try:
            await self._admin.look(timeout_s=LOOK_S)
        except RouterFailed as failed:
            return RouterHealth(False, because=failed.why)
        return RouterHealth(True, address=self._remembered())

    # -- apps

    async def apply(self, sites: tuple[Site, ...]) -> bool:
        async with self._turn:
            self.places.make()
            room = self._room().grown(apps=0, dynos=max((len(site.ports or ()) for site in sites), default=0))
            lanes = self._lanes.settle(sites, slots=room.slots)
            return await self._bring_in_force(room.grown(apps=lanes, dynos=0))

    def _configuration(self, room: Room) -> Json:
        return configuration(room, self.places, self._trusted_proxies)

    async def _bring_in_force(self, room: Room) -> bool:
        """Rarely changes anything: only if there is no room for another app, or another version configures it differently."""
        wanted = self._configuration(room)
        for _ in range(ATTEMPTS):
            running = await self._admin.running()
            if running.config == wanted:
                if self._written() != wanted:
                    self._write(wanted)
                return False
            try:
                await self._put_in_force(wanted, running)
            except ChangedMeanwhile:
                continue
            return True
        raise RouterFailed(
            "The router's configuration was not changed.",
            why=f"Other processes changed it {ATTEMPTS} times in the meantime.",
            fix="It is tried again automatically.",
        )

    async def _put_in_force(self, wanted: Json, running: Running) -> None:
        """Writes the file first, so that a restarted Caddy uses the wanted configuration.

        When Caddy loads a configuration, it closes idle connections, and a request being sent on one of them is lost. So
        connections in use are closed gracefully beforehand, each after its next response.
        """
        before = self._written()
        self._write(wanted)
        try:
            self.places.write(self.places.draining, b"")
            if await asyncio.to_thread(self._has_clients):  # later connections are drained too
                await asyncio.sleep(DRAIN_S)
            await self._admin.replace(wanted, instead_of=running)
        except RouterFailed:
            if before and (await self.health()).is_up:  # rejected: the file must not prevent a restart
                self._write(before)
            raise
        finally:
            self.places.draining.unlink(missing_ok=True)

    def _has_clients(self) -> bool:
        here = self._remembered()
        return here is None or has_clients(here.port)

    def route(self, app: str, ports: tuple[int, ...]) -> None:
        self.places.make()
        self._lanes.lead(app, ports, slots=self._room().slots)

    # -- pages

    def maintenance(self, app: str, on: bool, page: bytes | None = None) -> None:
        self.places.make()
        shown = pages.MAINTENANCE if page is None else page
        self._lanes.put(app, MAINTENANCE, shown if on else None)

    def is_in_maintenance(self, app: str) -> bool:
        return (self.places.site(app) / MAINTENANCE).exists()

    def error_page(self, app: str, page: bytes | None) -> None:
        self.places.make()
        self._lanes.put(app, ERROR, pages.ERROR if page is None else page)

    # -- the file

    def _write(self, config: Json) -> None:
        self.places.write(self.places.configuration, json.dumps(config, indent=1).encode(), durably=True)

    def _room(self) -> Room:
        """The capacity of the written configuration. Reread only when the file has changed."""
        try:
            seen = self.places.configuration.stat()
        except FileNotFoundError:
            return Room()
        mark = (seen.st_ino, seen.st_mtime_ns)
        if self._room_seen is None or self._room_seen[0] != mark:
            self._room_seen = mark, room_in(self._written())
        return self._room_seen[1]

    def _written(self) -> Json | None:
        """The written configuration. None if it is missing or invalid."""
        try:
            config: Json = json.loads(self.places.configuration.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return config


def _is_what(asked: Address, here: Address) -> bool:
    return asked.host == here.host and asked.port in (0, here.port)
