"""A partitioned table that counts as unlogged, and a target whose PostgreSQL has none."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.corpus.servers import installation
from tests.postgres.snapshot.conftest import Pair

from changeover.postgres.clients import Clients
from changeover.postgres.reaching import reach
from changeover.postgres.snapshot.archive import dump_schema
from changeover.postgres.snapshot.persistence import REFUSED_SINCE, as_accepted


@pytest.mark.parametrize(("target_version", "are_logged"), [(REFUSED_SINCE, True), (REFUSED_SINCE - 1, False)])
async def test_only_a_partitioned_table_is_logged_where_the_target_refuses_another(
    pair: Pair, tmp_path: Path, target_version: int, are_logged: bool
) -> None:
    """Read by an old pg_dump: one of 18 leaves the word out by itself."""
    pair.make("CREATE UNLOGGED TABLE parted (x int, says text DEFAULT 'CREATE UNLOGGED TABLE ') PARTITION BY LIST (x);"
              "CREATE UNLOGGED TABLE part PARTITION OF parted FOR VALUES IN (1)")  # fmt: skip
    found = installation(15)
    assert found is not None
    clients = Clients(found.bin_directory / "pg_dump", found.bin_directory / "pg_restore", 15)
    async with reach(pair.source) as source, source.transaction():
        ((snapshot,),) = await (await source.execute("SELECT pg_export_snapshot()")).fetchall()
        archive = await dump_schema(
            clients, pair.source, snapshot=snapshot, encoding="UTF8", skip_schemas=(), file=tmp_path / "dump"
        )
        entries = await as_accepted(
            source, await archive.entries("pre-data", with_owners=False), target_version=target_version
        )
    parted, part = (
        next(one.text for one in entries if one.label == f"TABLE public.{name}") for name in ("parted", "part")
    )

    assert parted.startswith(b"CREATE TABLE ") == are_logged
    assert part.startswith(b"CREATE UNLOGGED TABLE ")
    assert b"'CREATE UNLOGGED TABLE '" in parted
