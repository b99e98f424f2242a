"""Small PostgreSQL servers of any major, reached by their sockets only, and a database of a test's own in them."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from changeover.hosts.users import ensure_system_users, run_as_for_servers
from changeover.postgres.cluster import Cluster
from changeover.postgres.configuration import SUPERUSER, SettingValue
from changeover.postgres.installations import Installation, find_installations
from changeover.postgres.libpq import told
from changeover.postgres.location import Location, SocketLocation

SMALL: dict[str, SettingValue] = {
    "listen_addresses": "", "shared_buffers": "32MB", "max_connections": 40, "fsync": False, "autovacuum": False,
    "full_page_writes": False, "wal_level": "logical", "log_min_messages": "fatal",
}  # fmt: skip

PLAIN = " ".join(f"-c{one}" for one in (
    "standard_conforming_strings=on", "quote_all_identifiers=off", "extra_float_digits=3",
    "bytea_output=hex", "DateStyle=ISO", "IntervalStyle=postgres", "TimeZone=UTC",
))  # fmt: skip
"""What a database may set otherwise, and so make two sides print alike what is not."""
OLDER_MAJORS = Path(__file__).resolve().parents[2] / ".cache/older-majors/node_modules"


@dataclass(frozen=True)
class Server:
    """One that runs; everything that a test makes in it goes with it."""

    cluster: Cluster

    @property
    def major(self) -> int:
        return self.cluster.installation.version[0]

    def location(self, database: str = "postgres", **parameters: str) -> Location:
        """As its superuser, over its socket."""
        address = self.cluster.address
        return SocketLocation(
            {"host": str(address.socket_directory), "port": str(address.port), "user": SUPERUSER, "dbname": database}
            | parameters
        )

    def database(self, *, encoding: str = "UTF8") -> Location:
        """A new, empty one."""
        name = f"d_{secrets.token_hex(4)}"
        provider = " LOCALE_PROVIDER libc" if self.major >= 15 else ""  # the template's may know UTF-8 only
        made = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'").format(
            sql.Identifier(name), sql.Literal(encoding)
        )
        with psycopg.connect(self.location().url, autocommit=True) as session:
            session.execute(made + sql.SQL(provider))
        return self.location(name)

    def drop(self, *databases: Location) -> None:
        force = sql.SQL(" (FORCE)" if self.major >= 13 else "")
        with psycopg.connect(self.location().url, autocommit=True) as session:
            for one in databases:
                session.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(one.database)) + force)


def installation(major: int) -> Installation | None:
    """The first of that major on this machine."""
    return next((one for one in find_installations() if one.version[0] == major), None)


def programs_of(major: int) -> Path | None:
    """The folder of the first of that major on this machine; of older ones that bin/test --long fetches, a server alone."""
    fetched = OLDER_MAJORS / f"postgres-{major}" / "native"
    if found := installation(major):
        return found.bin_directory
    if not (fetched / "pg-symlinks.json").is_file():
        return None
    _complete(fetched)
    return fetched / "bin"


def _complete(fetched: Path) -> None:
    """What such a package can't hold: its links, and that its programs are programs."""
    for link in json.loads((fetched / "pg-symlinks.json").read_text()):
        source, target = (fetched.parent / link[name] for name in ("source", "target"))
        if not target.is_symlink():
            target.symlink_to(os.path.relpath(source, target.parent))
    for one in (fetched / "bin").iterdir():
        one.chmod(0o755)


@contextmanager
def running(bin_directory: Path, **settings: SettingValue) -> Iterator[Server]:
    """A server that is gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="co-"))
    home.chmod(0o755)
    cluster = Cluster(
        bin_directory, home / "data", home / "socket", home / "log", port=5432, run_as=run_as_for_servers()
    )

    async def begin() -> None:
        await ensure_system_users()
        await cluster.initialise({**SMALL, **settings}, listens=True)
        await cluster.start()

    try:
        _run(begin())
        yield Server(cluster)
    finally:
        _run(cluster.kill())
        shutil.rmtree(home)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Also where a loop runs: a server may be started in the middle of a test."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def run_sql(location: Location, *statements: str) -> list[tuple[Any, ...]]:
    """Run them, each by itself; the rows of the last, if it has any."""
    with psycopg.connect(location.url, autocommit=True) as session:
        for statement in statements:
            cursor = session.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def program(
    name: str, *arguments: str, location: Location, major: int, stdin: bytes | None = None, encoding: str = ""
) -> bytes:
    """One of PostgreSQL's, of this major or the next newer one; its output. Fails the test with what it said."""
    able = [one for one in find_installations() if one.version[0] >= major and name in one.tools]
    newest = min(able, key=lambda one: one.version[0])
    with told(location, ()) as wanted:
        environment = {"PATH": os.defpath, "LC_ALL": "C"} | wanted.environment() | {"PGOPTIONS": PLAIN}
        environment |= {"PGCLIENTENCODING": encoding} if encoding else {}
    done = subprocess.run(
        [newest.bin_directory / name, *arguments], input=stdin, capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout
