"""A small PostgreSQL server for one comparison. It listens only on a socket and is removed after the comparison."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from changeover.hosts.users import ensure_system_users, run_as_for_clients
from changeover.postgres.cluster import Cluster
from changeover.postgres.configuration import SettingValue
from changeover.postgres.connect import Connection, connect
from changeover.postgres.installations import Installation
from changeover.postgres.location import SocketLocation

PREFIX: Final = "changeover-scratch-"
PORT: Final = 5432
READER: Final = "schema_reader"
SETTINGS: Final[dict[str, SettingValue]] = {
    "listen_addresses": "", "shared_buffers": "32MB", "max_connections": 10, "fsync": False, "autovacuum": False,
    "full_page_writes": False, "wal_level": "minimal", "max_wal_senders": 0, "max_locks_per_transaction": 6000,
    "temp_file_limit": "256MB", "log_min_messages": "fatal",
}  # fmt: skip
"""pg_dump locks all tables at once, so a schema with thousands of tables needs many locks."""
EXISTS: Final = (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation, psycopg.errors.ReservedName)


@dataclass(frozen=True)
class ExtensionPlace:
    """An extension that a schema needs, and where its objects are."""

    name: str
    version: str
    schema: str


@dataclass(frozen=True)
class Prerequisites:
    """What a schema depends on and only a superuser can create. Here it is created by name only."""

    encoding: str
    extensions: tuple[ExtensionPlace, ...] = ()
    roles: tuple[str, ...] = ()
    """The roles that policies and user mappings name."""
    wrappers: tuple[str, ...] = ()
    """Foreign-data wrappers. One without an extension gets no handler, so it can only have servers and tables."""


@dataclass(frozen=True)
class ScratchServer:
    """Its superuser never runs a statement from a source or target. The ordinary role `READER` does."""

    cluster: Cluster
    password: str = field(repr=False)

    async def prepare(self) -> None:
        """Create the ordinary role."""
        async with connect(self.cluster.address) as session:
            made = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(READER), sql.Literal(self.password)
            )
            await session.execute(made)

    async def database(self, name: str, needed: Prerequisites) -> SocketLocation:
        """A new database owned by `READER`, with what it needs as far as this host has it."""
        made = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'").format(
            sql.Identifier(name), sql.Identifier(READER), sql.Literal(needed.encoding)
        )
        provider = sql.SQL(" LOCALE_PROVIDER libc" if self.cluster.installation.version[0] >= 15 else "")
        async with connect(self.cluster.address, timeout_s=120) as session:
            await session.execute(made + provider)
        async with connect(self.cluster.address, database=name, timeout_s=120) as session:
            for role in needed.roles:
                with contextlib.suppress(*EXISTS):
                    await session.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
            for extension in needed.extensions:
                await _create_extension(session, extension)
            await session.execute(f"GRANT ALL ON SCHEMA public TO {READER}")
            for wrapper in needed.wrappers:
                await _create_wrapper(session, wrapper)
        address = self.cluster.address
        return SocketLocation(
            {"host": str(address.socket_directory), "port": str(address.port), "user": READER, "dbname": name}
            | {"password": self.password}
        )


async def _create_extension(session: Connection, extension: ExtensionPlace) -> None:
    """In the same version if available, otherwise in this host's version. Objects that need a missing one can't be read."""
    exists = await session.execute("SELECT FROM pg_namespace WHERE nspname = %s", [extension.schema])
    if await exists.fetchone() is None:
        made = sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}")
        await session.execute(made.format(sql.Identifier(extension.schema), sql.Identifier(READER)))
    wanted = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA {}").format(
        sql.Identifier(extension.name), sql.Identifier(extension.schema)
    )
    for version in (sql.SQL(" VERSION {}").format(sql.Literal(extension.version)), sql.SQL("")):
        try:
            await session.execute(wanted + version + sql.SQL(" CASCADE"))
        except psycopg.errors.Error:
            continue
        return


async def _create_wrapper(session: Connection, wrapper: str) -> None:
    name = sql.Identifier(wrapper)
    with contextlib.suppress(psycopg.errors.DuplicateObject):
        await session.execute(sql.SQL("CREATE FOREIGN DATA WRAPPER {}").format(name))
    granted = sql.SQL("GRANT USAGE ON FOREIGN DATA WRAPPER {} TO {}")
    await session.execute(granted.format(name, sql.Identifier(READER)))


@asynccontextmanager
async def scratch_server(installation: Installation) -> AsyncIterator[ScratchServer]:
    """A server of this installation, removed afterwards. Raises ServerFailed, DiskFull.

    A killed process can't clean up, so the next call removes what it left.
    """
    await ensure_system_users()
    await remove_abandoned()
    home = Path(tempfile.mkdtemp(prefix=PREFIX))
    home.chmod(0o711)
    run_as = run_as_for_clients()
    cluster = Cluster(
        installation.bin_directory, home / "data", home / "socket", home / "log", port=PORT, run_as=run_as
    )
    with _held(home) as is_held:
        assert is_held  # noqa: S101 - made above
        try:
            await cluster.initialise(SETTINGS, listens=True)
            await cluster.start()
            server = ScratchServer(cluster, secrets.token_urlsafe(24))
            await server.prepare()
            yield server
        finally:
            await asyncio.shield(_remove(cluster, home))


async def remove_abandoned() -> None:
    """End and remove scratch servers of changeover processes that were killed."""
    for home in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            if home.stat().st_uid != os.geteuid() or home.is_symlink():
                continue
            with _held(home) as is_held:
                if is_held:
                    await _remove(Cluster(Path("/"), home / "data", home / "socket", home / "log", port=PORT), home)


@contextlib.contextmanager
def _held(home: Path) -> Iterator[bool]:
    """Hold the folder's lock until our process ends. False if another process holds it."""
    handle = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


async def _remove(cluster: Cluster, home: Path) -> None:
    await cluster.kill()
    await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)
