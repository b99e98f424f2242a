"""LocalEngine: the engine's verbs for servers that are processes on this host.

Each verb first observes and then acts, so it can run again after a crash at any point. The work is done in postgres/ and
in the files beside this one. This file defines the order.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import psycopg

from changeover.engines.engine import Behind, CopyProgress, Credential, DatabaseFacts, Health, Server, Size
from changeover.engines.local import leading
from changeover.engines.local.certificates import CertificateAuthority
from changeover.engines.local.copying import Copying
from changeover.engines.local.passage import open_passage, wait_for_readers_again
from changeover.engines.local.places import Places
from changeover.engines.local.ports import free_port
from changeover.engines.local.settings import GREATER_OF_BOTH, Host, follower_settings, server_settings
from changeover.engines.local.spares import Spares
from changeover.engines.passage import EndOfSource, Fenced, Passage, Traffic
from changeover.errors import (
    ChangeoverError,
    LeaderGone,
    NotAFollower,
    ServerFailed,
    ServerUnreachable,
)
from changeover.hosts.processes import wait_until_gone
from changeover.postgres import access, databases, extensions, fencing, replication, statistics, wal
from changeover.postgres.acting import Actor
from changeover.postgres.configuration import SettingValue
from changeover.postgres.connect import Address, Connection, connect
from changeover.postgres.facts import read_facts
from changeover.postgres.installations import Installation, find_installations, newest_with_tls, probe, require_program
from changeover.postgres.refusals import Refusals, refusals_since
from changeover.postgres.sessions import prepared_transactions, sessions

KEPT_LOGS = 5
FENCE_S, LIFT_S = 5.0, 10.0


class LocalEngine:
    """Servers in `home`, with sockets in `sockets`. They run as `run_as` when we are root.

    `configured` are additional PostgreSQL installations. `installation` overrides the default for new servers, which is the
    newest one with TLS.
    """

    def __init__(
        self,
        home: Path,
        sockets: Path,
        authority: CertificateAuthority,
        *,
        run_as: str | None = None,
        configured: Iterable[Path] = (),
        installation: Installation | None = None,
    ) -> None:
        self._places = Places(home.absolute(), sockets.absolute(), run_as)
        self._authority = authority
        self._configured = tuple(configured)
        self._installation = installation
        self._renewed: set[str] = set()
        self._spares = Spares(self._places.home / "servers", run_as)

    # -- creating and removing

    def plan_server(self, name: str, *, address: str, taken_ports: frozenset[int], leader: Server | None) -> Server:
        bin_directory = leader.bin_directory if leader else self._places.usable(self._chosen())
        return Server(
            name=name,
            engine="local",
            address=address,
            port=free_port(address, taken=taken_ports, home=self._places.home),
            bin_directory=bin_directory,
            data_directory=self._places.data(name),
            socket_directory=self._places.sockets / name,
        )

    async def create(self, server: Server, size: Size) -> None:
        await self._bring_programs(server)
        cluster = self._places.cluster(server)
        self._places.open_folders(server.name)
        settings = self._settings(server, size)
        await cluster.initialise(settings, listens=True, take_spare=self._spares.take)
        await self.start(server)
        await databases.furnish_server(cluster.address)

    def has_spare(self) -> bool:
        return self._spares.has(self._for_new_servers())

    async def make_spare(self) -> None:
        await asyncio.to_thread(self._places.bring, self._chosen())
        await self._spares.make(self._for_new_servers())

    def _for_new_servers(self) -> Installation:
        return probe(self._places.usable(self._chosen()), "configured")

    async def create_database(
        self, server: Server, database: str, owner: Credential, *, connection_limit: int | None = None
    ) -> None:
        # A connection limit means that the database shares its server. Then the owner may not see or end other sessions.
        await databases.create_database(
            _address(server),
            database,
            owner=owner.user,
            password=owner.password,
            connection_limit=connection_limit,
            is_alone=connection_limit is None,
        )

    async def make_extensions(self, server: Server, database: str, owner: str, wanted: Mapping[str, str]) -> list[str]:
        return await extensions.make_for_owner(_address(server), database, owner, wanted)

    async def drop_database(self, server: Server, database: str, owner: str) -> None:
        await databases.drop_database(_address(server), database, owner)

    async def destroy(self, server: Server) -> None:
        cluster = self._places.cluster(server)
        await Copying(self._places, server).stop()
        await cluster.kill()
        for folder in (self._places.folder(server.name), server.socket_directory):
            if folder.exists():
                await asyncio.to_thread(shutil.rmtree, folder)

    # -- running

    async def start(self, server: Server) -> None:
        cluster = self._places.cluster(server)
        copying = Copying(self._places, server)
        if copying.is_unfinished() or not (cluster.is_initialised or copying.is_whole()):
            raise ServerFailed(
                f"{server.name} cannot start: its data directory is incomplete.",
                why=f"{server.data_directory} has not been completely created or copied.",
                fix="Let the run that creates it continue (`changeover runs`), or destroy the database.",
            )
        copying.adopt()
        await self._bring_programs(server)
        self._places.open_folders(server.name)
        self._renew_certificate(server)
        if cluster.postmaster() is None:
            await access.renew(cluster)
        await cluster.start()
        with suppress(ServerUnreachable):  # its leader is down. `renew_access` will be called again
            await self.renew_access(server)

    def has_current_access(self, server: Server) -> bool:
        return server.name in self._renewed

    async def renew_access(self, server: Server) -> None:
        await access.renew(self._places.cluster(server))
        await leading.give_role(self._places, server)
        if not (await self.health(server)).is_in_recovery:
            await statistics.bind(_address(server))
        self._renewed.add(server.name)

    async def stop(self, server: Server) -> None:
        await self._places.cluster(server).stop()

    async def health(self, server: Server) -> Health:
        cluster = self._places.cluster(server)
        try:
            async with connect(_address(server), timeout_s=5) as connection:
                position = await replication.follower_position(connection)
                return Health("available", is_in_recovery=position.is_in_recovery)
        except (ServerUnreachable, psycopg.Error) as down:
            if cluster.postmaster():
                return Health("starting", because=_why(down))
        return await self._health_when_down(server)

    async def until_down(self, server: Server) -> None:
        postmaster = self._places.cluster(server).postmaster()
        if postmaster is not None:
            await wait_until_gone(postmaster)

    async def _health_when_down(self, server: Server) -> Health:
        cluster = self._places.cluster(server)
        if not cluster.is_initialised:
            return Health("failed", because=f"Its data directory {server.data_directory} is missing or incomplete.")
        if Copying(self._places, server).is_unfinished():
            return Health("stopped", because="Its initial copy is incomplete.")
        try:
            if await cluster.was_shut_down():
                return Health("stopped", because="It was shut down.")
        except ChangeoverError as failure:
            return Health("failed", because=_why(failure))
        return Health("failed", because=f"Its process ended without a shutdown: {cluster.last_log_lines()}")

    async def facts(self, server: Server, database: str) -> DatabaseFacts:
        facts = await read_facts(_address(server), database)
        return DatabaseFacts(**vars(facts))

    async def traffic(self, server: Server, database: str) -> Traffic:
        async with connect(_address(server), database=database) as connection:
            there = await sessions(connection)
            prepared = await prepared_transactions(connection)
        clients = [one for one in there if one.kind == "client backend"]
        return Traffic(
            direct=tuple(one for one in clients if one.address is not None),
            in_transaction=tuple(one for one in there if one.transaction_s),
            prepared=tuple(prepared),
            workers=tuple(one for one in there if one.kind not in ("client backend", "parallel worker")),
        )

    async def end_sessions(self, server: Server, database: str) -> int:
        return await databases.end_sessions(_address(server), database)

    def tidy(self, server: Server) -> None:
        """Remove all but the newest logs, and renew the certificate if due. Call once a day."""
        logs = sorted((self._places.folder(server.name) / "log").glob("postgresql-*.log"))
        for old in logs[:-KEPT_LOGS]:
            old.unlink(missing_ok=True)
        if self._renew_certificate(server):
            self._places.cluster(server).reload()

    # -- following

    async def begin_copy(self, server: Server, leader: Server, size: Size) -> None:
        copying = Copying(self._places, server)
        if copying.is_running():
            return
        if copying.is_whole():
            copying.adopt()
            return
        self._places.open_folders(server.name)
        settings = self._settings(server, size)
        try:
            async with connect(_address(leader)) as connection:
                of_leader = await _standby_minimum(connection)
                leader_bytes = await databases.bytes_of_all(connection)
                await replication.reserve_slot(connection, leading.slot_of(server.name))
            if leader.data_directory == self._places.data(leader.name):
                await access.renew(self._places.cluster(leader))
            await leading.let_in(self._places, server, _address(leader))
        except ServerUnreachable as gone:
            raise LeaderGone(
                f"{server.name} cannot follow {leader.name} now.", why=gone.why, fix="Start the leader, then try again."
            ) from gone
        conninfo = leading.leader_conninfo(self._places, server, _address(leader))
        slot = leading.slot_of(server.name)
        copying.prepare(follower_settings(settings, of_leader, conninfo=conninfo, slot=slot))
        await copying.start(leader, conninfo=conninfo, leader_bytes=leader_bytes)

    async def copy_progress(self, server: Server, leader: Server) -> CopyProgress:
        return await Copying(self._places, server).progress(leader)

    async def behind(self, server: Server, leader: Server) -> Behind:
        async with connect(_address(server)) as follower:
            position = await replication.follower_position(follower)
        if not position.is_in_recovery:
            raise NotAFollower(
                f"{server.name} is not a follower.",
                why="It is not in recovery.",
                fix="No action is needed: it is writable.",
            )
        async with connect(_address(leader), timeout_s=60) as connection:
            end = await replication.flushed_position(connection)
            replayed = position.replayed or end
            counted = await wal.count_commits(connection, replayed, end)
            return Behind(
                commits=counted.commits if counted else None,
                is_exact=counted.is_exact if counted else False,
                bytes=(missing := max(0, wal.position_number(end) - wal.position_number(replayed))),
                seconds=position.seconds_since_last_commit if missing and (not counted or counted.commits) else 0.0,
                is_streaming=position.is_streaming,
                replayed_bytes=wal.position_number(replayed),
                is_lost=not position.is_streaming
                and await _is_lost(connection, leading.slot_of(server.name), replayed),
            )

    async def promote(self, server: Server, *, acting_as: str) -> None:
        await replication.promote(_address(server), Actor.named(acting_as))
        async with connect(_address(server)) as connection:
            await leading.forget_others(connection)

    async def forget_follower(self, leader: Server, follower: Server) -> None:
        if not leader.data_directory.exists():
            return
        async with connect(_address(leader)) as connection:
            await leading.forget(connection, follower.name)

    # -- changing over

    def passage(
        self, source: Server, target: Server, *, database: str, role: Credential, acting_as: str
    ) -> AbstractAsyncContextManager[Passage]:
        cluster = self._places.cluster(source)
        return open_passage(cluster, source, target, database=database, role=role, acting_as=acting_as)

    async def settle(self, server: Server) -> None:
        async with connect(_address(server)) as connection:
            await wait_for_readers_again(connection)
            if not (await replication.follower_position(connection)).is_in_recovery:
                await leading.forget_others(connection)

    async def has_arrived(self, server: Server, end: EndOfSource) -> bool:
        async with connect(_address(server)) as connection:
            identifier, timeline = await replication.history(connection)
            is_of_it = (identifier, timeline) == (end.system_identifier, end.timeline)
            return is_of_it and await replication.has_replayed(connection, end.position)

    def fenced_by(self, server: Server) -> str | None:
        return fencing.fenced_by(self._places.cluster(server))

    async def fence_stands(self, server: Server) -> bool:
        return await fencing.stands(self._places.cluster(server))

    def refused_at_fence(self, server: Server, read_until: str) -> Refusals:
        return refusals_since(self._places.cluster(server).log_directory, read_until)

    async def fence_again(self, server: Server, mark: str) -> Fenced:
        async with connect(_address(server)) as connection:
            proof = await fencing.fence(self._places.cluster(server), connection, mark=mark, timeout_s=FENCE_S)
        return Fenced(proof.refusal, proof.ended, proof.prepared)

    async def lift_fence(self, server: Server) -> None:
        await fencing.lift(self._places.cluster(server), timeout_s=LIFT_S)

    # -- parts

    def _chosen(self) -> Installation:
        return self._installation or newest_with_tls(self._configured)

    async def _bring_programs(self, server: Server) -> None:
        """If the server uses a copied installation that is missing, copy the installed one again."""
        if (server.bin_directory / "postgres").is_file():
            return
        candidates = [self._installation] if self._installation else find_installations(self._configured)
        for installation in candidates:
            if self._places.usable(installation) == server.bin_directory:
                await asyncio.to_thread(self._places.bring, installation)
        require_program(server.bin_directory, "postgres")

    def _settings(self, server: Server, size: Size) -> dict[str, SettingValue]:
        """Raises InstallationGone. Creates the certificate that the settings refer to."""
        require_program(server.bin_directory, "postgres")
        self._renew_certificate(server)
        return server_settings(
            size,
            Host.look(),
            probe(server.bin_directory, "configured"),
            address=server.address,
            log_directory=self._places.folder(server.name) / "log",
            tls_directory=self._places.tls(server),
        )

    def _renew_certificate(self, server: Server) -> bool:
        return self._authority.renew_if_due([server.address], self._places.tls(server), owner=self._places.run_as)


def _address(server: Server) -> Address:
    return Address(server.socket_directory, server.port)


def _why(failure: Exception) -> str:
    return failure.why if isinstance(failure, ChangeoverError) else str(failure)


async def _standby_minimum(connection: Connection) -> dict[str, int]:
    found = await connection.execute(
        "SELECT name, setting::int FROM pg_settings WHERE name = ANY(%s)", [list(GREATER_OF_BOTH)]
    )
    return dict(await found.fetchall())


async def _is_lost(connection: Connection, slot: str, replayed: str) -> bool:
    """Whether the leader has removed the WAL that the follower needs next."""
    state = await replication.slot_state(connection, slot)
    if state is None:
        return not await replication.keeps_wal_since(connection, replayed)
    return state.is_lost
