"""A data directory in reserve: used once, by the PostgreSQL that created it, and never if it is not complete."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.fix_host import Host, ask

from changeover.engines.engine import Server
from changeover.hosts.users import ensure_system_users


@pytest.fixture
def folder(host: Host) -> Iterator[Path]:
    """Where spares are kept; empty again afterwards."""
    asyncio.run(ensure_system_users())
    spares = host.home / "servers/.spare"
    spares.mkdir(parents=True, exist_ok=True)
    yield spares
    shutil.rmtree(spares)


async def identifier(server: Server) -> int:
    [(found,)] = await ask(server, "SELECT system_identifier FROM pg_control_system()")
    return int(found)


async def test_each_server_made_of_a_spare_has_an_identity_of_its_own(host: Host, folder: Path) -> None:
    identifiers = set()
    for _ in range(2):
        await host.engine.make_spare()
        assert host.engine.has_spare()
        server = await host.new_server()
        assert not host.engine.has_spare()
        identifiers.add(await identifier(server))
        await host.engine.destroy(server)
    assert len(identifiers) == 2


async def test_what_a_killed_attempt_left_is_not_used_and_is_removed(host: Host, folder: Path) -> None:
    await host.engine.make_spare()
    [spare] = folder.iterdir()
    half = spare.rename(spare.with_name(f"{spare.name}.making.0badc0de"))
    (half / "PG_VERSION").unlink()

    assert not host.engine.has_spare()
    server = await host.new_server()
    assert (await host.engine.health(server)).state == "available"
    await host.engine.destroy(server)
    await host.engine.make_spare()

    assert [one.name for one in folder.iterdir()] == [spare.name]


async def test_a_spare_of_another_postgresql_is_not_used_and_makes_room(host: Host, folder: Path) -> None:
    (folder / "9.6-0123456789").mkdir()

    assert not host.engine.has_spare()
    await host.engine.make_spare()

    [spare] = folder.iterdir()
    assert spare.name != "9.6-0123456789"
