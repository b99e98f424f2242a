"""Servers that the checks look at: one with all that they ask for, and a newer one; databases and roles on them by name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.changeovers.checks.fix_grounds import SETTINGS, Ground, Pair

from changeover.postgres.configuration import SettingValue
from changeover.postgres.installations import Installation, find_installations, newest_with_tls


@pytest.fixture(scope="session")
def plain() -> Iterator[Ground]:
    """The PostgreSQL that new databases get here."""
    yield from _running(newest_with_tls())


@pytest.fixture(scope="session")
def newer() -> Iterator[Ground]:
    """The newest PostgreSQL here; without an archive, with fewer connections."""
    newest = max(find_installations(), key=lambda one: one.version)
    if newest.version[0] == newest_with_tls().version[0]:
        pytest.skip("there is one PostgreSQL only")
    yield from _running(newest, archive_mode="off", max_connections=35)


@pytest.fixture(scope="session")
def lasting_pair(plain: Ground) -> Pair:
    return plain.pair()


@pytest.fixture
def pair(lasting_pair: Pair) -> Iterator[Pair]:
    """Two empty databases of one owner, who is no superuser."""
    yield lasting_pair
    lasting_pair.empty()


@pytest.fixture(scope="session")
def lasting_newer_pair(newer: Ground) -> Pair:
    return newer.pair()


@pytest.fixture
def newer_pair(lasting_newer_pair: Pair) -> Iterator[Pair]:
    """The same on the newest PostgreSQL."""
    yield lasting_newer_pair
    lasting_newer_pair.empty()


def _running(installation: Installation, **settings: SettingValue) -> Iterator[Ground]:
    ground = Ground(installation, {**SETTINGS, **settings})
    try:
        asyncio.run(ground.start())
        yield ground
    finally:
        asyncio.run(ground.remove())
