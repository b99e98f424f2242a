"""Databases that no one wrote: made by seeds, moved, and equal by a look that shares no code with ours."""

from __future__ import annotations

import pytest
from tests.corpus.fix_servers import Servers
from tests.corpus.generating import generate
from tests.corpus.independent import what_differs
from tests.corpus.moving import by_snapshot
from tests.corpus.servers import Server, run_sql

from changeover.postgres.comparing import compare
from changeover.postgres.location import Location

ALWAYS, MORE = (1, 11, 16), range(100, 400)


def made_by(seed: int, server: Server) -> Location:
    database = server.database()
    run_sql(database, *(one.replace("THIS_DATABASE", database.database) for one in generate(seed)))
    return database


@pytest.mark.parametrize("seed", [*ALWAYS, *(pytest.param(seed, marks=pytest.mark.long) for seed in MORE)])
async def test_a_generated_database_arrives_as_it_was(servers: Servers, seed: int) -> None:
    source, target = servers.pair(15, 17)
    databases = made_by(seed, source), target.database()

    await by_snapshot(*databases)
    found = await compare(*databases, compares_owners=True)

    assert [str(one) for one in (*found.differences, *found.unknown)] == []
    assert what_differs((source, target), databases) == []
    source.drop(databases[0])
    target.drop(databases[1])
