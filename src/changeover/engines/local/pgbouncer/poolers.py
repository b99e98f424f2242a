"""LocalPoolers: creates, runs and removes PgBouncers as processes of this host, as the servers' user.

Keeps no state: a pooler is the process that was started with its settings file, which also contains its route.
In the home: poolers/NAME/{pgbouncer.ini,users,access,pooler.log,startup.log,tls}.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import resource
import shutil
import signal
import time
from collections.abc import Container, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from changeover.engines.engine import Health, Server
from changeover.engines.local.certificates import CertificateAuthority
from changeover.engines.local.pgbouncer import configuration
from changeover.engines.local.pgbouncer.configuration import PoolerEnvironment
from changeover.engines.local.pgbouncer.console import Write, open_console
from changeover.engines.local.pgbouncer.entrance import verifiers_of
from changeover.engines.local.pgbouncer.program import facts_of, find_pgbouncer
from changeover.engines.local.places import Places, can_enter
from changeover.engines.local.ports import POOLERS, free_port
from changeover.engines.pooler import Console, Pooler, PoolerFacts, Route
from changeover.errors import BadSetting, PortTaken, ServerFailed, ServerUnreachable, ToolMissing
from changeover.hosts.ports import is_free
from changeover.hosts.processes import Process, end_all, end_process, everything_running, wait_until_gone
from changeover.hosts.programs import last_lines, said_in, start_detached
from changeover.postgres import access
from changeover.postgres.cluster import alone_with, make_folder, tail_of, write_file
from changeover.postgres.connect import Address

READY_S = 15.0
END_S = 2.0
ENOUGH_FILES = 2**16
LARGEST_LOG = 10 * 2**20
EARLY = 4096
PRLIMIT = Path("/usr/bin/prlimit")
WAITS_ON_SIGTERM_SINCE = (1, 23)
"""Since this version, SIGTERM waits for clients to leave. SIGQUIT does not."""


class LocalPoolers:
    """See `Poolers`. Uses the engine's folders and user. `configured` is a PgBouncer to use instead of the system's."""

    def __init__(
        self,
        home: Path,
        sockets: Path,
        authority: CertificateAuthority,
        *,
        run_as: str | None = None,
        configured: Path | None = None,
    ) -> None:
        self._places = Places(home.absolute(), sockets.absolute(), run_as)
        self._authority, self._configured = authority, configured
        self._administrator = pwd.getpwuid(os.geteuid()).pw_name

    def facts(self) -> PoolerFacts:
        return facts_of(self._program())

    # -- creating and removing

    def plan_pooler(self, name: str, *, address: str, taken_ports: frozenset[int]) -> Pooler:
        self.facts()
        return Pooler(
            name=name,
            address=address,
            port=free_port(address, taken=taken_ports, home=self._places.home, among=POOLERS),
            folder=self._home / name,
            socket_directory=self._places.sockets / name,
        )

    async def route_to(self, server: Server, database: str, *, roles: Sequence[str], most_connections: int) -> Route:
        await access.renew(self._places.cluster(server))
        users = await verifiers_of(Address(server.socket_directory, server.port), roles)
        return Route(server=server, database=database, users=users, most_connections=most_connections)

    async def destroy(self, pooler: Pooler) -> None:
        await self.stop(pooler)
        for folder in (self._own(pooler).folder, pooler.socket_directory):
            if folder.exists():
                await asyncio.to_thread(shutil.rmtree, folder)

    async def destroy_all_but(self, names: Container[str]) -> list[str]:
        found = [folder.name for folder in self._home.iterdir()] if self._home.exists() else []
        strangers = [name for name in found if name not in names]
        for name in strangers:
            nowhere = Pooler(name, "", 0, self._home / name, self._places.sockets / name)
            await self.destroy(nowhere)
        return strangers

    # -- running

    async def start(self, pooler: Pooler, route: Route | None = None) -> None:
        deadline = time.monotonic() + READY_S
        self._open_folders(pooler)
        async with alone_with(pooler.folder, deadline):
            if not self._processes(pooler):
                await self._launch(pooler, route)
            await self._until_it_answers(pooler, deadline)

    async def stop(self, pooler: Pooler) -> None:
        await end_all(lambda: self._processes(pooler), gently=self._ending(), timeout_s=END_S)

    async def health(self, pooler: Pooler) -> Health:
        try:
            async with self.console(pooler):
                return Health("available")
        except ServerUnreachable as down:
            if self._processes(pooler):
                return Health("starting", because=down.why)
        if not self._own(pooler).settings.exists():
            return Health("stopped", because="It was never started.")
        return Health("failed", because=f"Its process ended: {last_lines(tail_of(self._own(pooler).log), 2)}")

    async def until_down(self, pooler: Pooler) -> None:
        for process in await asyncio.to_thread(self._processes, pooler):
            await wait_until_gone(process)

    def console(self, pooler: Pooler) -> AbstractAsyncContextManager[Console]:
        return open_console(pooler, self._administrator, lambda *told: self._configure(pooler, *told))

    def tidy(self, pooler: Pooler) -> None:
        own = self._own(pooler)
        is_renewed = self._renew_certificate(pooler)
        is_long = own.log.exists() and own.log.stat().st_size > LARGEST_LOG
        if is_long:
            own.log.replace(own.log.with_suffix(".log.1"))
            os.truncate(own.said, 0)  # a copy of the log; it continues writing after the hole
        if is_renewed or is_long:
            for process in self._processes(pooler):
                end_process(process, signal.SIGHUP)

    # -- parts

    @property
    def _home(self) -> Path:
        return self._places.home / "poolers"

    async def _launch(self, pooler: Pooler, route: Route | None) -> None:
        own = self._own(pooler)
        program = self._program()
        if route is not None:
            await asyncio.to_thread(self._configure, pooler, self.facts(), route, None, write_file)
        elif not own.settings.exists():
            raise ServerFailed(
                f"The pooler {pooler.name} can't be started.",
                why=f"It has no route: {own.settings} is missing.",
                fix="Start it with a route, or destroy it.",
            )
        else:
            self._suit_to_program(own)
        if not is_free(pooler.port, address=pooler.address):
            raise self._port_taken(pooler, "Another program listens there.")
        self._renew_certificate(pooler)
        arguments: list[str | Path] = [program, *_running(own)]
        if PRLIMIT.exists():  # execs PgBouncer; a service's soft limit is often far below the hard one
            arguments = [PRLIMIT, f"--nofile={own.most_files}:{own.most_files}", *arguments]
        await start_detached(arguments, log=own.said, run_as=self._places.run_as)

    async def _until_it_answers(self, pooler: Pooler, deadline: float) -> None:
        while (await self.health(pooler)).state != "available":
            if not self._processes(pooler) or time.monotonic() > deadline:
                raise ServerFailed(
                    f"The pooler {pooler.name} did not start.",
                    why=last_lines(said_in(self._own(pooler).said), 3),
                    fix=f"Fix the reported problem. Its log is in {pooler.folder}.",
                )
            await asyncio.sleep(0.01)
        # If its address is taken, it runs without it, and only we can reach it.
        if "cannot listen on" in (said := said_in(self._own(pooler).said)[:EARLY]):
            await self.stop(pooler)
            raise self._port_taken(pooler, last_lines(said, 3))

    def _port_taken(self, pooler: Pooler, why: str) -> PortTaken:
        return PortTaken(
            f"The pooler {pooler.name} can't listen on {pooler.address}:{pooler.port}.",
            why=why,
            fix=f"End the program that listens on port {pooler.port} (`ss -ltnp`).",
        )

    def _processes(self, pooler: Pooler) -> list[Process]:
        """Identified by the settings file in its arguments, whichever program it is."""
        mine = _running(self._own(pooler))
        return [one for one in everything_running() if one.arguments[-len(mine) :] == mine]

    def _configure(self, pooler: Pooler, facts: PoolerFacts, route: Route, canary: Route | None, write: Write) -> None:
        own = self._own(pooler)
        users = dict(route.users) | dict(canary.users if canary else ())
        texts = {
            own.users: configuration.users_file(users.items(), administrator=self._administrator),
            own.access: configuration.access_file(administrator=self._administrator),
            own.settings: configuration.settings_file(pooler, route, canary, facts, own),
        }
        for path, text in texts.items():
            if not path.exists() or path.read_text() != text:  # during a pause, every disk write counts
                write(path, text.encode(), run_as=self._places.run_as)

    def _suit_to_program(self, own: PoolerEnvironment) -> None:
        """The settings may have been written for another version."""
        written = own.settings.read_text()
        suited = configuration.suited(written, self.facts())
        if suited != written:
            write_file(own.settings, suited.encode(), run_as=self._places.run_as)

    def _own(self, pooler: Pooler) -> PoolerEnvironment:
        """Rejects a pooler whose files are elsewhere: we only remove what we own."""
        if pooler.folder != self._home / pooler.name:
            raise ValueError(f"{pooler.name} does not belong to this engine: {pooler.folder}")
        most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if most_files == resource.RLIM_INFINITY:
            most_files = ENOUGH_FILES
        return PoolerEnvironment(pooler.folder, self._administrator, most_files)

    def _open_folders(self, pooler: Pooler) -> None:
        own = self._own(pooler)
        own.folder.parent.mkdir(parents=True, exist_ok=True)
        self._places.sockets.mkdir(parents=True, exist_ok=True)
        if self._places.run_as is not None:
            for folder in (self._places.home, own.folder.parent, self._places.sockets):
                folder.chmod(folder.stat().st_mode | 0o011)
        for folder in (own.folder, pooler.socket_directory):
            make_folder(folder, run_as=self._places.run_as)

    def _renew_certificate(self, pooler: Pooler) -> bool:
        return self._authority.renew_if_due([pooler.address], self._own(pooler).tls, owner=self._places.run_as)

    def _program(self) -> Path:
        program = find_pgbouncer(self._configured)
        run_as = self._places.run_as
        if run_as is not None and not can_enter(program.parent, run_as):
            raise BadSetting(
                "CHANGEOVER_PGBOUNCER", str(program), wants=f"a program in a folder that the user {run_as} can enter"
            )
        return program

    def _ending(self) -> signal.Signals:
        with contextlib.suppress(ToolMissing):  # uninstalled in the meantime
            if self.facts().version >= WAITS_ON_SIGTERM_SINCE:
                return signal.SIGQUIT
        return signal.SIGTERM


def _running(own: PoolerEnvironment) -> tuple[str, ...]:
    return ("--", str(own.settings))
