"""A PgBouncer that somebody else runs in front of a database, with settings that only they can change."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from tests.fix_control_plane import wait_until
from tests.fix_poolers import CHOSEN

from changeover.engines.local.pgbouncer.program import find_pgbouncer
from changeover.hosts.users import run_as_for_servers
from changeover.postgres.location import Location

SETTINGS = """
[databases]
{lines}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
admin_users = boss
ignore_startup_parameters = extra_float_digits
server_tls_sslmode = require
logfile = {folder}/log
"""


@dataclass(frozen=True)
class Bouncer:
    """`shop` is its name of the database."""

    folder: Path
    port: int

    @property
    def console(self) -> str:
        return f"postgres://boss@127.0.0.1:{self.port}/pgbouncer"

    @property
    def url(self) -> str:
        return f"postgres://anybody@127.0.0.1:{self.port}/shop"

    def lead_to(self, location: Location) -> None:
        (self.folder / "pgbouncer.ini").write_text(_settings(self.folder, self.port, location))

    def command_to_lead(self, location: Location) -> Path:
        """A program that does so, as its owner would write one."""
        fresh = self.folder / "fresh.ini"
        fresh.write_text(_settings(self.folder, self.port, location))
        pid = (self.folder / "pid").read_text()
        command = self.folder / "switch"
        command.write_text(f"#!/bin/sh\ncp {fresh} {self.folder}/pgbouncer.ini && kill -HUP {pid}\n")
        command.chmod(0o755)
        return command


@contextmanager
def bouncer(location: Location) -> Iterator[Bouncer]:
    folder = Path(tempfile.mkdtemp(prefix="co-"))
    folder.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "pgbouncer.ini").write_text(_settings(folder, port, location))
    user = run_as_for_servers()
    if user:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    process = subprocess.Popen(
        [find_pgbouncer(CHOSEN), folder / "pgbouncer.ini"], user=user, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    (folder / "pid").write_text(str(process.pid))
    made = Bouncer(folder, port)
    try:
        wait_until(lambda: _answers(made), what="PgBouncer")
        yield made
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _answers(made: Bouncer) -> bool:
    try:
        psycopg.connect(made.url).close()
    except psycopg.OperationalError:
        return False
    return True


def _settings(folder: Path, port: int, location: Location) -> str:
    words = {
        "host": location.host, "port": location.port, "dbname": location.database, "user": location.user,
        "password": location.password,
    }  # fmt: skip
    line = "shop = " + " ".join(f"{name}={value}" for name, value in words.items())
    return SETTINGS.format(lines=line, port=port, folder=folder)
