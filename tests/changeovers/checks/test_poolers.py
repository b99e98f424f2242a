"""Addresses that don't lead to one server: a real PgBouncer, and a balancer before two servers."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest
from tests.changeovers.checks.fix_grounds import Ground, Pair, asked, results
from tests.engines.fix_host import until
from tests.engines.fix_poolers import Pooled, planned, processes_of, scalar
from tests.fix_poolers import needs_pgbouncer
from tests.fix_provider import Elsewhere

from changeover.changeovers.checks import check, line
from changeover.errors.elsewhere import PooledAddress
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach


@pytest.fixture
async def pooled(elsewhere: Elsewhere) -> AsyncIterator[Pooled]:
    """A PgBouncer that lends its connections by transactions."""
    made = planned(elsewhere.host, elsewhere.database)
    await made.start()
    yield made
    await made.remove()


def location_of(pooled: Pooled) -> Location:
    given = pooled.parameters(sslrootcert=pooled.database.authority.read_text())
    return Location({name: str(value) for name, value in given.items()})


@needs_pgbouncer
async def test_the_address_of_a_pooler_fails_one_check_and_asks_no_other(pooled: Pooled) -> None:
    checked = await check(location_of(pooled), sample_s=0)

    assert [(one.id, one.result) for one in checked.findings] == [("S3", "failed")]
    assert "is a pooler" in checked.findings[0].what
    assert (checked.verdict, checked.source, checked.as_dict()["counts"]["failed"]) == ("not ready", None, 1)


@needs_pgbouncer
async def test_nothing_is_set_in_a_session_that_an_app_gets_next(pooled: Pooled) -> None:
    """A read-only session of ours would be the app's next one."""
    app = await pooled.connect()
    await scalar(app, "SELECT 1")

    with pytest.raises(PooledAddress):
        async with reach(location_of(pooled)):
            pass

    assert await scalar(app, "SELECT current_setting('search_path')") == '"$user", public'
    assert await scalar(app, "SELECT current_setting('default_transaction_read_only')") == "off"
    await app.close()


@needs_pgbouncer
async def test_a_pooler_that_keeps_a_session_for_each_client_is_warned_of(pooled: Pooled) -> None:
    settings = pooled.pooler.folder / "pgbouncer.ini"
    settings.write_text(settings.read_text().replace("pool_mode = transaction", "pool_mode = session"))
    os.kill(processes_of(pooled.pooler)[0], signal.SIGHUP)

    async def is_read() -> bool:
        with suppress(PooledAddress):
            async with reach(location_of(pooled)):
                return True
        return False

    await until(is_read, timeout_s=20)

    assert results(await asked("S3", location_of(pooled))) == ["warning"]


@asynccontextmanager
async def balanced(*ports: int) -> AsyncIterator[int]:
    """The port of one that leads each connection to the next server."""
    turns, under_way = itertools.cycle(ports), set[asyncio.Task[None]]()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", next(turns))
        await asyncio.gather(forward(reader, there[1]), forward(there[0], writer))

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(asyncio.create_task(lead(reader, writer)))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*under_way)


async def test_an_address_of_several_servers_fails_the_check(plain: Ground, newer: Ground) -> None:
    for ground in (plain, newer):
        with suppress(psycopg.errors.DuplicateObject):
            ground.run("CREATE ROLE balanced LOGIN PASSWORD 'open sesame'")
    user = {"user": "balanced", "password": "open sesame", "dbname": "postgres"}

    async with balanced(plain.cluster.port, newer.cluster.port) as port:
        (several,) = await asked("S3", Location({"host": "127.0.0.1", "port": str(port), **user}))
    async with balanced(plain.cluster.port) as port:
        one = await asked("S3", Location({"host": "127.0.0.1", "port": str(port), **user}))

    assert (several.result, several.what) == ("failed", "The address reaches more than one server.")
    assert results(one) == ["passed"]


async def test_a_name_with_several_addresses_is_warned_of(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the resolver says is made up: no name of this machine has two addresses of one kind."""

    async def resolved(host: str) -> dict[str, list[str]]:
        return {"IPv4": ["192.0.2.1", "192.0.2.2"], "IPv6": ["2001:db8::1"]}

    source = pair.as_owner(pair.source).with_(host="localhost")
    assert results(await asked("N1", source)) == ["passed"]

    monkeypatch.setattr(line, "resolved", resolved)
    (several,) = await asked("N1", source)
    assert several.what == "The source's name localhost has 2 IPv4 addresses: 192.0.2.1, 192.0.2.2."
