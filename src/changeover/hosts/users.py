"""The system users that servers and apps run as when we are root. Otherwise everything runs as the current user."""

from __future__ import annotations

import os
import pwd

from changeover.errors import ServerFailed
from changeover.hosts.programs import last_lines, run_program

SERVER_USER = "changeover-pg"
STATE_USER = "changeover-state"
CLIENT_USER = "changeover-client"
APP_USER = "changeover-app"
ROUTER_USER = "changeover-router"
SYSTEM_USERS = (SERVER_USER, STATE_USER, CLIENT_USER, APP_USER, ROUTER_USER)


def run_as_for_servers() -> str | None:
    """The user for PostgreSQL servers: a dedicated one when we are root, else None (ourselves)."""
    return SERVER_USER if os.geteuid() == 0 else None


def run_as_for_state() -> str | None:
    """The user for our state's PostgreSQL. Differs from the user of servers that hold accounts' databases."""
    return STATE_USER if os.geteuid() == 0 else None


def run_as_for_clients() -> str | None:
    """The user for programs that parse data from other servers. It owns no data directory or control socket."""
    return CLIENT_USER if os.geteuid() == 0 else None


def run_as_for_apps() -> str | None:
    """The user for dynos."""
    return APP_USER if os.geteuid() == 0 else None


def run_as_for_router() -> str | None:
    """The user for the router, which sees every app's traffic and should see nothing else."""
    return ROUTER_USER if os.geteuid() == 0 else None


async def ensure_system_users() -> list[str]:
    """Create missing system users when we are root. Returns the users created."""
    if os.geteuid() != 0:
        return []
    missing = [user for user in SYSTEM_USERS if not _exists(user)]
    for user in missing:
        useradd = ["/usr/sbin/useradd", "--system", "--user-group", "--no-create-home", "--home-dir=/nonexistent"]
        done = await run_program([*useradd, "--shell=/usr/sbin/nologin", user])
        if done.code != 0 and not _exists(user):  # another changeover process may have been faster
            raise ServerFailed(
                f"The system user {user} is missing and can't be created.",
                why=last_lines(done.output, 2),
                fix="Run `systemd-sysusers` with changeover-sysusers.conf of packaging/systemd, then start again.",
            )
    return missing


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
