"""Hosts with a local engine, one for each PostgreSQL here that serves databases, kept for all tests of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.engines.fix_host import Database, Host

from changeover.engines.engine import Server
from changeover.postgres.installations import Installation, find_installations, newest_with_tls

SERVING = [one for one in find_installations() if one.has_tls]


def _name(installation: Installation) -> str:
    return f"{installation.source}-{installation.version[0]}"


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """The PostgreSQL that new databases get here."""
    host = Host(newest_with_tls())
    yield host
    asyncio.run(host.close())


@pytest.fixture(scope="session", params=SERVING, ids=_name)
def each_host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """Once for every PostgreSQL here that speaks TLS."""
    host = Host(request.param)
    yield host
    asyncio.run(host.close())


@pytest.fixture(scope="session")
def leader(host: Host) -> Server:
    """A running server for tests that leave it as it is."""
    return asyncio.run(host.new_server())


@pytest.fixture(scope="session")
def database(host: Host, leader: Server) -> Database:
    """A user's database on it."""
    return asyncio.run(host.new_database(leader))


@pytest.fixture(scope="session")
def follower(host: Host, leader: Server) -> Server:
    """A follower of `leader`, for tests that leave it following."""
    return asyncio.run(host.new_follower(leader))
