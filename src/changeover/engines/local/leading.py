"""How a follower connects to its leader: over the socket, as its own role that may only replicate.

The password is stored only in a file beside the follower's data that only the servers' user can read.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from changeover.engines.engine import Server
from changeover.engines.local.places import Places
from changeover.engines.local.settings import conninfo
from changeover.hosts.ownership import read_within
from changeover.postgres import replication
from changeover.postgres.cluster import write_file
from changeover.postgres.configuration import SUPERUSER, settings_file
from changeover.postgres.connect import Address, Connection, connect
from changeover.postgres.roles import drop_role, let_replicate, replicating_roles

CONNINFO = re.compile(r"^primary_conninfo = '((?:[^']|'')*)'$", re.MULTILINE)


def slot_of(name: str) -> str:
    """The replication slot of follower `name` on its leader."""
    return f"changeover_{name}"


def role_of(name: str) -> str:
    """The role that the follower replicates as."""
    return f"changeover_follower_{name}"


def leader_conninfo(places: Places, follower: Server, leader: Address) -> str:
    """A follower's connection string for its leader. Contains no secret, because pg_monitor may read it."""
    return conninfo(
        (
            ("host", leader.socket_directory),
            ("port", leader.port),
            ("user", role_of(follower.name)),
            ("application_name", follower.name),
            ("passfile", _passfile(places, follower)),
            ("sslmode", "disable"),
            ("connect_timeout", 10),
        )
    )


async def let_in(places: Places, follower: Server, leader: Address) -> None:
    """Create its role on the leader with a new password, and write that to its file. Raises ServerUnreachable."""
    role, password = role_of(follower.name), secrets.token_hex(32)
    async with connect(leader) as connection:
        await let_replicate(connection, role, password)
    write_file(_passfile(places, follower), f"*:*:*:{role}:{password}\n".encode(), run_as=places.run_as)


async def give_role(places: Places, follower: Server) -> None:
    """Give a follower that an older version created, and that replicates as our superuser, its own role.

    Does nothing for any other server. The leader must be running. Raises ServerUnreachable.
    """
    cluster = places.cluster(follower)
    settings = follower.data_directory / "postgresql.conf"
    if not (follower.data_directory / "standby.signal").exists() or (leader := _leader_by_superuser(settings)) is None:
        return
    await let_in(places, follower, leader)
    _, wanted = settings_file({"primary_conninfo": leader_conninfo(places, follower, leader)}).splitlines()
    text = CONNINFO.sub(lambda _: wanted, read_within(settings.parent, settings.name).decode())
    write_file(settings, text.encode(), run_as=places.run_as)
    cluster.reload()


def _leader_by_superuser(settings: Path) -> Address | None:
    found = CONNINFO.search(settings.read_text())
    if found is None:
        return None
    known = conninfo_to_dict(found[1].replace("''", "'").replace("\\\\", "\\"))
    if known.get("user") != SUPERUSER:
        return None
    return Address(Path(str(known["host"])), int(str(known["port"])))


async def forget(connection: Connection, name: str) -> None:
    """Drop its slot and its role on the leader."""
    await replication.drop_slot(connection, slot_of(name))
    await drop_role(connection, role_of(name))


async def forget_others(connection: Connection) -> None:
    """Drop roles of the former leader's followers that a promoted server inherited: those without a slot here."""
    for role in await replicating_roles(connection):
        name = role.removeprefix(role_of(""))
        if await replication.slot_state(connection, slot_of(name)) is None:
            await drop_role(connection, role)


def _passfile(places: Places, follower: Server) -> Path:
    return places.folder(follower.name) / "leader.pgpass"
