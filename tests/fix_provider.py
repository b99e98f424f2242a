"""Somebody else's PostgreSQL: a server that no control plane of ours has heard of, with TLS by an authority of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.engines.fix_host import Database, Host, ask
from tests.fix_control_plane import ControlPlane

from changeover.engines.engine import Credential, Server
from changeover.postgres.installations import newest_with_tls
from changeover.postgres.location import Location, written

TABLE = "CREATE TABLE orders AS SELECT generate_series(1, 100) AS id"


@dataclass(frozen=True)
class Elsewhere:
    """A database there, with one table, and how its owner reaches it."""

    host: Host
    database: Database

    @property
    def location(self) -> Location:
        """Its certificate is checked."""
        server, owner = self.database.server, self.database.owner
        return Location(
            {
                "host": server.address, "port": str(server.port), "dbname": self.database.name,
                "user": owner.user, "password": owner.password,
                "sslmode": "verify-full", "sslrootcert": self.database.authority.read_text(),
            }
        )  # fmt: skip

    @property
    def url(self) -> str:
        return self.url_with()

    def url_with(self, **changed: str | None) -> str:
        """As a user writes it, with some of libpq's parameters changed; None takes one away. Files are named by their path."""
        given = {**self.location.parameters, "sslrootcert": str(self.database.authority), **changed}
        return written({name: value for name, value in given.items() if value is not None})

    def ask(self, query: str) -> list[Any]:
        """What the provider's own superuser gets for a query in the database."""
        return asyncio.run(ask(self.database.server, query, self.database.name))

    def with_password(self, password: str) -> Elsewhere:
        """The same after its owner's password was changed there."""
        owner = self.database.owner
        self.ask(f"ALTER ROLE {owner.user} PASSWORD '{password}'")
        return replace(self, database=replace(self.database, owner=Credential(owner.user, password)))


@dataclass(frozen=True)
class Provider:
    host: Host

    def server(self) -> Server:
        """A further one, for tests that stop it."""
        return asyncio.run(self.host.new_server())

    def database(self, server: Server | None = None) -> Elsewhere:
        made = Elsewhere(self.host, asyncio.run(self.host.new_database(server or self.host.servers[0])))
        with made.database.connect() as session:
            session.execute(TABLE)
        return made

    def stop(self, server: Server) -> None:
        asyncio.run(self.host.engine.stop(server))

    def postmaster(self, server: Server) -> int:
        return int(Path(server.data_directory, "postmaster.pid").read_text().splitlines()[0])


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """One for all tests of a process; each makes databases of its own there."""
    host = Host(newest_with_tls())
    asyncio.run(host.new_server())
    yield Provider(host)
    asyncio.run(host.close())


@pytest.fixture
def elsewhere(provider: Provider) -> Elsewhere:
    return provider.database()


def adopt(api: httpx2.Client, app: str, source: str, **body: str) -> httpx2.Response:
    return api.post(f"/changeover/v1/apps/{app}/adopted-databases", json={"source": source, **body})


def adopted(api: httpx2.Client, app: str, source: str, **body: str) -> str:
    """Its add-on's name."""
    made = adopt(api, app, source, **body)
    assert made.status_code == 201, made.text
    name: str = made.json()["addon"]["name"]
    return name


def error_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["id"]


def kept(plane: ControlPlane) -> list[Any]:
    """How much our state holds of databases."""
    with plane.state() as state:
        return [
            state.execute(f"SELECT count(*) FROM {table}").fetchone()
            for table in ("addons", "servers", "databases", "credentials", "attachments", "releases")
        ]
