"""The text of PgBouncer's three files. Pure: writes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from changeover.engines.pooler import Pooler, PoolerFacts, Route, canary_name

MOST_CLIENTS = 10_000
KEPT_FOR_ITSELF = 64
"""Open files that PgBouncer needs in addition to its connections."""
PREPARED, MOST_PREPARED = "max_prepared_statements", 200
CANARIES = 2
SPEAKABLE = re.compile("[A-Za-z0-9_]{1,63}")


@dataclass(frozen=True)
class PoolerEnvironment:
    """What the host determines: the pooler's files, its administrator, and its limit of open files."""

    folder: Path
    administrator: str
    most_files: int

    @property
    def settings(self) -> Path:
        return self.folder / "pgbouncer.ini"

    @property
    def users(self) -> Path:
        return self.folder / "users"

    @property
    def access(self) -> Path:
        return self.folder / "access"

    @property
    def log(self) -> Path:
        return self.folder / "pooler.log"

    @property
    def said(self) -> Path:
        """Its output: everything before it opens its log, and then a copy of the log."""
        return self.folder / "startup.log"

    @property
    def tls(self) -> Path:
        return self.folder / "tls"


def settings_file(
    pooler: Pooler, route: Route, canary: Route | None, facts: PoolerFacts, environment: PoolerEnvironment
) -> str:
    """pgbouncer.ini."""
    databases = [_database(route.database, route, route.most_connections)]
    if canary is not None:
        databases.append(_database(canary_name(route.database), canary, CANARIES))
    settings = {**_network(pooler, environment), **_pooling(route, environment)}
    lines = [*(f"{name} = {value}" for name, value in settings.items()), *_prepared(facts)]
    head = "; Written by changeover whenever this pooler starts or changes its route; edits are lost."
    return "\n".join([head, "[databases]", *databases, "", "[pgbouncer]", *lines]) + "\n"


def suited(settings: str, facts: PoolerFacts) -> str:
    """Settings written for another version, adapted to this one."""
    kept = [line for line in settings.splitlines() if not line.startswith(PREPARED)]
    return "\n".join([*kept, *_prepared(facts)]) + "\n"


def users_file(users: Iterable[tuple[str, str]], *, administrator: str) -> str:
    """Names and SCRAM verifiers. PgBouncer logs in to the server with keys that it derives from a client's proof.

    The administrator has no password: only peer authentication lets it in.
    """
    known = {administrator: ""} | dict(users)
    return "".join(f"{_quoted(name)} {_quoted(verifier)}\n" for name, verifier in known.items())


def access_file(*, administrator: str) -> str:
    """pg_hba-like rules: our system user to the console over the socket, clients over TLS with SCRAM."""
    everywhere = ("0.0.0.0/0", "::/0")
    lines = [
        f"local pgbouncer {_quoted(administrator)} peer",
        "local all all reject",
        *(f"host pgbouncer all {address} reject" for address in everywhere),
        *(f"host all {_quoted(administrator)} {address} reject" for address in everywhere),
        *(f"hostssl all all {address} scram-sha-256" for address in everywhere),
    ]
    return "\n".join(lines) + "\n"


def most_clients(route: Route, environment: PoolerEnvironment) -> int:
    """The maximum number of clients: Heroku's 10,000, or what the limit of open files allows."""
    left = environment.most_files - route.most_connections - CANARIES - KEPT_FOR_ITSELF
    return max(route.most_connections, min(MOST_CLIENTS, left))


def _database(name: str, route: Route, most: int) -> str:
    if not SPEAKABLE.fullmatch(name):
        raise ValueError(f"PgBouncer can't read the name {name!r}")
    server = route.server
    where = f"host={_valued(str(server.socket_directory))} port={server.port} dbname={_valued(route.database)}"
    return f"{name} = {where} pool_size={most} max_db_connections={most}"


def _network(pooler: Pooler, environment: PoolerEnvironment) -> dict[str, str | int]:
    return {
        "listen_addr": pooler.address,
        "listen_port": pooler.port,
        "listen_backlog": 1024,
        "unix_socket_dir": str(pooler.socket_directory),
        "unix_socket_mode": "0700",
        "auth_type": "hba",
        "auth_hba_file": str(environment.access),
        "auth_file": str(environment.users),
        "admin_users": environment.administrator,
        "client_tls_sslmode": "require",
        "client_tls_key_file": str(environment.tls / "server.key"),
        "client_tls_cert_file": str(environment.tls / "server.crt"),
        "client_tls_protocols": "secure",
        # Clients need no certificate. But without this it reads the system's whole bundle at each RELOAD, which takes 20 ms.
        "client_tls_ca_file": str(environment.tls / "server.crt"),
        "tcp_keepidle": 60,
        "tcp_keepintvl": 10,
        "tcp_keepcnt": 6,
    }


def _pooling(route: Route, environment: PoolerEnvironment) -> dict[str, str | int]:
    return {
        "pool_mode": "transaction",
        "max_client_conn": most_clients(route, environment),
        "default_pool_size": route.most_connections,
        "query_wait_timeout": 120,
        "server_connect_timeout": 5,
        # A login that a pause interrupts counts as failed. By default PgBouncer would not retry for 15 seconds.
        "server_login_retry": "0.2",
        "ignore_startup_parameters": "extra_float_digits",
        "logfile": str(environment.log),
        "log_connections": 0,
        "log_disconnections": 0,
        "log_stats": 0,
    }


def _prepared(facts: PoolerFacts) -> list[str]:
    """Must come last: older versions stop reading at a setting that they don't know."""
    return [f"{PREPARED} = {MOST_PREPARED}"] if facts.has_prepared_statements else []


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _valued(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
