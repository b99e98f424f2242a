"""A database on a server run by others, queried as its owner with short timeouts: it may be far away, or gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from changeover.engines.engine import DatabaseFacts, Health
from changeover.errors import ChangeoverError, ServerUnreachable
from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.databases import end_own_sessions
from changeover.postgres.facts import facts_of
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach

PATIENCE_S = 3.0
"""For one query including the login. Lists show many databases, and users wait for them."""


class UnusableDatabase:
    """A `Reading` of a database whose address isn't allowed, or whose file is missing. Answers with that error."""

    def __init__(self, refused: ChangeoverError) -> None:
        self._refused = refused

    async def health(self) -> Health:
        return Health("failed", because=f"{self._refused.what} {self._refused.why}".strip())

    async def facts(self) -> DatabaseFacts:
        raise self._unreachable()

    async def end_sessions(self) -> int:
        raise self._unreachable()

    def _unreachable(self) -> ServerUnreachable:
        return ServerUnreachable(
            "The database can't be reached by its address.",
            why=f"{self._refused.what} {self._refused.why}".strip(),
            fix="Adopt it again under the same name, with an address that is allowed.",
        )


class ExternalDatabase:
    """A `Reading` of the database at `location`. Each call makes its own connection."""

    def __init__(self, location: Location, *, patience_s: float = PATIENCE_S) -> None:
        self._location, self._patience_s = location, patience_s

    async def health(self) -> Health:
        try:
            async with self._asked() as connection:
                (is_in_recovery,) = await fetch_row(connection, "SELECT pg_is_in_recovery()")
        except ServerUnreachable as down:
            return Health("failed", because=down.why)
        return Health("available", is_in_recovery=is_in_recovery)

    async def facts(self) -> DatabaseFacts:
        async with self._asked() as connection:
            return DatabaseFacts(**vars(await facts_of(connection)))

    async def end_sessions(self) -> int:
        async with self._asked() as connection:
            return await end_own_sessions(connection)

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[Connection]:
        """Converts every failure to ServerUnreachable, with the reason as `why`."""
        try:
            async with asyncio.timeout(self._patience_s), reach(self._location) as connection:
                yield connection
        except TimeoutError:
            raise self._unreachable(f"It did not answer within {self._patience_s:g} seconds.") from None
        except ChangeoverError as refused:
            raise self._unreachable(refused.why or refused.what) from refused
        except psycopg.Error as refused:
            raise self._unreachable(" ".join(str(refused).split())) from refused

    def _unreachable(self, why: str) -> ServerUnreachable:
        return ServerUnreachable(
            f"{self._location} does not answer.",
            why=why,
            fix="Check with its provider whether it is running. If its password has changed, adopt it again under the same name.",
        )
