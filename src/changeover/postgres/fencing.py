"""The fence: makes it impossible to write to a server, and proves it. Does not affect followers.

pg_hba.conf refuses logins, because it is not replicated; a changed role would be. Read-only settings would not be a
fence, because an open transaction can override them.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from changeover.errors import ChangeoverError, FenceFailed, ServerUnreachable
from changeover.hosts.ownership import read_within
from changeover.hosts.processes import PROC, Process, end_process, look_at
from changeover.postgres import ending
from changeover.postgres.cluster import Cluster, alone_with, lay_ready, write_file
from changeover.postgres.configuration import fenced_access_file
from changeover.postgres.connect import Connection
from changeover.postgres.refusals import PROBE, REJECTED
from changeover.postgres.sessions import Session, prepared_transactions, sessions

MARK = "# fenced by changeover "
NOT_LISTED = ("logger", "stats collector")
"""Children of the postmaster that pg_stat_activity never lists, by the last words of their titles."""
AWAY = re.compile("the database system is|refused|No such file|closed the connection|timeout expired")
"""What a login attempt reports when no server answers or the server is not ready."""
LOOK_S, LIFT_LOOK_S = 0.001, 0.01


@dataclass(frozen=True)
class FenceProof:
    """Proof that no client can write any more."""

    refusal: str
    """The server's answer to a login attempt after the fence was in place."""
    ended: tuple[Session, ...]
    prepared: tuple[str, ...]
    """Prepared transactions that wait for their second phase. The target has them too."""


def fence_file(mark: str) -> str:
    """pg_hba.conf of a fenced server: only changeover and its followers."""
    return fenced_access_file(f"{MARK}{mark}")


def fenced_by(cluster: Cluster) -> str | None:
    """The mark of the fence, or None without a fence. Reads a file, so it also works while the server is down."""
    try:
        first, *_ = (cluster.data_directory / "pg_hba.conf").read_text().splitlines()
    except FileNotFoundError:  # it is being created, or is gone
        return None
    return first.removeprefix(MARK) if first.startswith(MARK) else None


async def prepare(cluster: Cluster, mark: str, *, timeout_s: float) -> None:
    """Save the access file for when the fence is lifted, and write the fence beside it. Does nothing if already fenced.

    Raises ServerUnreachable while another process starts the server.
    """
    async with alone_with(cluster.data_directory, time.monotonic() + timeout_s):
        _prepare(cluster, mark)


def _prepare(cluster: Cluster, mark: str) -> None:
    if fenced_by(cluster) is None:
        access = cluster.data_directory / "pg_hba.conf"
        # Read as root, so don't follow links made by the servers' user.
        write_file(_before(cluster), read_within(cluster.data_directory, access.name), run_as=cluster.run_as)
        lay_ready(access, fence_file(mark).encode(), run_as=cluster.run_as)


async def lift(cluster: Cluster, *, timeout_s: float) -> None:
    """Let clients in again. Does nothing if not fenced. Raises FenceFailed, and ServerUnreachable while another process
    starts the server.

    Returns once logins succeed: a pooler that resumes too early is refused and reports that to its clients. Always tries a
    login, because an earlier call may have died before it signalled the postmaster.
    """
    deadline = time.monotonic() + timeout_s
    if fenced_by(cluster) is not None:
        async with alone_with(cluster.data_directory, deadline):
            if fenced_by(cluster) is not None:
                _before(cluster).replace(cluster.data_directory / "pg_hba.conf")
        cluster.reload()
    while await stands(cluster):
        if time.monotonic() > deadline:
            raise FenceFailed(
                f"The fence of the server in {cluster.data_directory} can't be lifted.",
                why="Its access file was restored, but it still refuses every login.",
                fix="See its log for why it does not reload pg_hba.conf, then try again.",
            )
        cluster.reload()
        await asyncio.sleep(LIFT_LOOK_S)


async def fence(cluster: Cluster, connection: Connection, *, mark: str, timeout_s: float) -> FenceProof:
    """Refuse every login, end every session but ours and the followers', and prove both. Raises FenceFailed, and
    ServerUnreachable when the server does not answer, for example because it is restarting.

    `connection`: an open connection of ours. After `prepare`, one disk write less is needed here.
    """
    deadline = time.monotonic() + timeout_s
    there, refusal = await asyncio.gather(sessions(connection), _refuse_logins(cluster, mark, deadline))
    await _end_everybody(cluster, connection, deadline)
    return FenceProof(refusal, tuple(there), tuple(await prepared_transactions(connection)))


async def _refuse_logins(cluster: Cluster, mark: str, deadline: float) -> str:
    """Write the file, reload it, and try to log in. The postmaster reloads shortly after the signal."""
    access = cluster.data_directory / "pg_hba.conf"
    async with alone_with(cluster.data_directory, deadline):
        if not _before(cluster).exists():
            _prepare(cluster, mark)
        write_file(access, fence_file(mark).encode(), run_as=cluster.run_as)
    cluster.reload()
    while True:
        said = await _try_to_enter(cluster)
        if REJECTED in said:
            return said
        if time.monotonic() > deadline:
            raise not_refused(cluster.data_directory, said)
        await asyncio.sleep(LOOK_S)


def not_refused(folder: Path, said: str) -> ChangeoverError:
    """A restarting server will soon refuse logins, so that error is retryable."""
    if AWAY.search(said):
        return ServerUnreachable(f"The server in {folder} does not answer.", why=said)
    return FenceFailed(
        f"The server in {folder} can't be fenced.",
        why=f"It still accepts logins: {said}",
        fix="See its log for why it does not reload pg_hba.conf, then try again.",
    )


async def stands(cluster: Cluster) -> bool:
    """Whether a login is refused right now, by trying one."""
    return REJECTED in await _try_to_enter(cluster)


async def _try_to_enter(cluster: Cluster) -> str:
    """The answer to a login attempt. The refusal comes before any password exchange."""
    try:
        stranger = await psycopg.AsyncConnection.connect(
            host=str(cluster.socket_directory), port=cluster.port, user=PROBE, dbname="postgres",
            passfile="/nonexistent", sslmode="disable", connect_timeout=5, application_name="changeover",
        )  # fmt: skip
    except psycopg.OperationalError as refused:
        return " ".join(str(refused).split()).rpartition("FATAL: ")[2].strip()
    await stranger.close()
    return "the login succeeded"


async def _end_everybody(cluster: Cluster, connection: Connection, deadline: float) -> None:
    """Includes sessions that are just logging in: they are processes already, but not yet listed as sessions."""
    while True:
        left = await sessions(connection)
        coming = await _unlisted(cluster, connection)
        if not left and not coming:
            return
        if left:
            await ending.end(connection, [one.backend for one in left])
        for process in coming:
            end_process(process, signal.SIGTERM)
        if time.monotonic() > deadline:
            names = [*map(str, left), *(f"pid {one.pid}" for one in coming)]
            raise FenceFailed(
                f"The server in {cluster.data_directory} can't be fenced.",
                why=f"These sessions did not end: {'; '.join(names)}.",
                fix="End them manually, then try again.",
            )
        await asyncio.sleep(LOOK_S)


async def _unlisted(cluster: Cluster, connection: Connection) -> list[Process]:
    before = _children(cluster)
    found = await connection.execute("SELECT pid FROM pg_stat_activity")
    listed = {row[0] for row in await found.fetchall()}
    unknown = [one for pid in before - listed if (one := look_at(pid)) is not None]
    return [one for one in unknown if not " ".join(one.arguments).rstrip().endswith(NOT_LISTED)]


def _children(cluster: Cluster) -> set[int]:
    postmaster = cluster.postmaster()
    if postmaster is None:
        return set()
    listing = PROC / str(postmaster.pid) / "task" / str(postmaster.pid) / "children"
    try:
        return set(map(int, listing.read_text().split()))
    except FileNotFoundError:  # a kernel that does not provide this list
        return {process.pid for process in cluster.processes()} - {postmaster.pid, os.getpid()}


def _before(cluster: Cluster) -> Path:
    """Where the original file is kept until the fence is lifted."""
    return cluster.data_directory / "pg_hba.conf.before"
