"""A plain PostgreSQL server that nobody of ours runs, and pairs of databases on it."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from changeover.changeovers.checks import CHECKS, Finding
from changeover.changeovers.checks.asking import ask, opened
from changeover.hosts.ports import candidates, is_free
from changeover.hosts.users import ensure_system_users, run_as_for_servers
from changeover.postgres.cluster import Cluster
from changeover.postgres.configuration import SettingValue
from changeover.postgres.installations import Installation
from changeover.postgres.location import Location, SocketLocation

SETTINGS: dict[str, SettingValue] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": 40,
    "max_prepared_transactions": 5,
    "archive_mode": "on",
    "archive_command": "/bin/true",
    "shared_buffers": "32MB",
    "wal_level": "replica",
}
EMPTY = """
DO $$DECLARE one record; BEGIN
    FOR one IN SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' LOOP
        EXECUTE format('DROP EXTENSION %I CASCADE', one.extname); END LOOP;
    FOR one IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', one.nspname); END LOOP;
    FOR one IN SELECT lanname FROM pg_language WHERE oid >= 16384 LOOP
        EXECUTE format('DROP LANGUAGE %I CASCADE', one.lanname); END LOOP;
    PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
END$$"""
DROP_ROLES = """
DO $$DECLARE one record; BEGIN
    FOR one IN SELECT rolname FROM pg_roles WHERE rolname ~ '^OWNER_' LOOP
        EXECUTE format('DROP OWNED BY %I', one.rolname); EXECUTE format('DROP ROLE %I', one.rolname); END LOOP;
END$$"""
PORTS = range(23000, 32000)


@dataclass
class Ground:
    installation: Installation
    settings: dict[str, SettingValue]
    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="co-")))

    async def start(self) -> None:
        await ensure_system_users()
        self.home.chmod(0o755)
        port = next(port for port in candidates(PORTS, home=self.home) if is_free(port, address="127.0.0.1"))
        self.cluster = Cluster(
            bin_directory=self.installation.bin_directory,
            data_directory=self.home / "data",
            socket_directory=self.home / "socket",
            log_directory=self.home / "log",
            port=port,
            run_as=run_as_for_servers(),
        )
        await self.cluster.initialise(self.settings, listens=True)
        await self.cluster.start()

    async def remove(self) -> None:
        await self.cluster.kill()
        shutil.rmtree(self.home)

    def at(self, database: str = "postgres", **changed: str) -> Location:
        """As superuser, by the socket."""
        where = {"host": str(self.cluster.socket_directory), "port": str(self.cluster.port)}
        return SocketLocation({**where, "user": "changeover", "dbname": database, **changed})

    def run(self, *statements: str, database: str = "postgres") -> list[TupleRow]:
        """As superuser; the rows of the last one."""
        return run(self.at(database), *statements)

    def pair(self, *, options: str = "") -> Pair:
        """They stay as long as the server. `options` are those of CREATE DATABASE, for the source."""
        word = secrets.token_hex(4)
        made = Pair(self, f"s{word}", f"t{word}", f"u{word}")
        self.run(
            f"CREATE ROLE {made.owner} LOGIN PASSWORD 'open sesame'",
            f"CREATE DATABASE {made.source_name} OWNER {made.owner} {options}",
            f"CREATE DATABASE {made.target_name} OWNER {made.owner}",
        )
        for name in (made.source_name, made.target_name):
            self.run(f"ALTER SCHEMA public OWNER TO {made.owner}", database=name)
        return made


@dataclass(frozen=True)
class Pair:
    """A source and a target; `owner` owns both. Everything as superuser, unless `as_owner`."""

    ground: Ground
    source_name: str
    target_name: str
    owner: str

    @property
    def source(self) -> Location:
        return self.ground.at(self.source_name)

    @property
    def target(self) -> Location:
        return self.ground.at(self.target_name)

    def as_owner(self, location: Location) -> Location:
        return self.as_role(self.owner, location)

    def as_role(self, role: str, location: Location) -> Location:
        return location.with_(host="127.0.0.1", user=role, password="open sesame")

    def there(self, *statements: str) -> list[TupleRow]:
        """In the target."""
        return run(self.target, *statements)

    def here(self, *statements: str) -> list[TupleRow]:
        """In the source."""
        return run(self.source, *statements)

    def empty(self) -> None:
        """As they were made."""
        for location in (self.source, self.target):
            self.ground.run(f"ALTER DATABASE {location.database} RESET ALL")
            run(location, EMPTY, f"CREATE SCHEMA public AUTHORIZATION {self.owner}")
        self.ground.run(DROP_ROLES.replace("OWNER", self.owner), f"ALTER ROLE {self.owner} RESET ALL",
                        f"ALTER ROLE {self.owner} NOCREATEROLE CONNECTION LIMIT -1")  # fmt: skip


def run(location: Location, *statements: str) -> list[TupleRow]:
    with connected(location) as connection:
        answer: psycopg.Cursor[TupleRow] | None = None
        for statement in statements:
            answer = connection.execute(statement.encode())
        return answer.fetchall() if answer is not None and answer.description else []


def connected(location: Location, **changed: Any) -> psycopg.Connection[TupleRow]:
    return psycopg.connect(location.url, autocommit=True, **changed)


async def asked(
    id_: str, source: Location, target: Location | None = None, *, mark: str | None = None,
    offered: Sequence[Installation] | None = None, settings: dict[str, str] | None = None, **identity: Any,
) -> list[Finding]:  # fmt: skip
    """What one check finds. `identity`, `settings`: what the source shall be instead of what it is, where no server can be so."""
    async with opened(source, target, offered, mark) as look:
        changed = {
            name: replace(look.source.settings[name], reset_value=value) for name, value in (settings or {}).items()
        }
        look.source = replace(
            look.source,
            identity=replace(look.source.identity, **identity),
            settings={**look.source.settings, **changed},
        )
        return await ask(CHECKS[id_], look)


def results(findings: list[Finding]) -> list[str]:
    return [finding.result for finding in findings]
