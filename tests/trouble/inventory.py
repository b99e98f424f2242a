"""What an installation consists of, listed: what a failure must leave as it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from tests.fix_control_plane import ControlPlane

TABLES = (
    "accounts",
    "apps",
    "spaces",
    "teams",
    "addons",
    "attachments",
    "servers",
    "databases",
    "credentials",
    "releases",
)


@dataclass(frozen=True)
class Inventory:
    """Processes by what they are, folders, replication slots by server, and the number of rows of each table."""

    postmasters: frozenset[int]
    copies: int
    folders: frozenset[str]
    slots: frozenset[str]
    rows: tuple[tuple[str, int], ...]


def take_inventory(plane: ControlPlane) -> Inventory:
    with plane.state() as state:
        rows = tuple((table, count(state, table)) for table in TABLES)
        servers = state.execute("SELECT name, socket_directory, port FROM servers WHERE is_wanted").fetchall()
    return Inventory(
        postmasters=frozenset(pid for pid, what in processes(plane.home) if what == "postmaster"),
        copies=sum(what == "pg_basebackup" for _, what in processes(plane.home)),
        folders=frozenset(path.name for path in plane.home.glob("servers/*")),
        slots=frozenset(slot for server in servers for slot in slots_of(*server)),
        rows=rows,
    )


def count(state: psycopg.Connection[Any], table: str) -> int:
    row = state.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def slots_of(name: str, sockets: str, port: int) -> list[str]:
    try:
        with psycopg.connect(host=sockets, port=port, user="changeover", dbname="postgres") as server:
            found = server.execute("SELECT slot_name FROM pg_replication_slots").fetchall()
    except psycopg.OperationalError:
        return []
    return [f"{name}:{slot}" for (slot,) in found]


def processes(home: Path) -> list[tuple[int, str]]:
    """The postmasters and running copies of the installation below `home`."""
    found = []
    for process in psutil.process_iter(["pid", "name", "cwd", "cmdline", "status"]):
        arguments = process.info["cmdline"] or []
        if process.info["status"] == psutil.STATUS_ZOMBIE or not any(
            str(home / "servers") in word for word in arguments
        ):
            continue
        if process.info["name"] == "postgres" and "-D" in arguments:
            found.append((process.pid, "postmaster"))
        elif process.info["name"] == "pg_basebackup":
            found.append((process.pid, "pg_basebackup"))
    return found
