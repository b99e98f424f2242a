"""A migrated state database of a test's own, without a control plane."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.fix_control_plane import make_home, remove_home

from changeover.hosts.users import ensure_system_users
from changeover.service.places import Places
from changeover.service.state import State
from changeover.settings import Settings
from changeover.store.migrate import migrate


@dataclass(frozen=True)
class StateDatabase:
    state: State

    async def connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(make_conninfo(**self.state.conninfo), autocommit=True)

    def look(self, query: str) -> list[Any]:
        """The rows of a query, now."""
        with psycopg.connect(make_conninfo(**self.state.conninfo), autocommit=True) as db:
            return db.execute(query).fetchall()


@pytest.fixture(scope="module")
def state_database() -> Iterator[StateDatabase]:
    home = make_home()
    places = Places(home)
    places.make()
    state = State(places, Settings.read())
    try:
        asyncio.run(ensure_system_users())
        asyncio.run(state.start())
        migrate(state.conninfo)
        yield StateDatabase(state)
        asyncio.run(state.stop())
    finally:
        remove_home(home)
