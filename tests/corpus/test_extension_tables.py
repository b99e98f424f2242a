"""An extension's tables of settings: its own rows come with it, the user's rows come with the move."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.corpus.independent import what_differs
from tests.corpus.moving import by_snapshot
from tests.corpus.servers import Server, programs_of, run_sql, running

from changeover.postgres.comparing import compare

CONTROL = "default_version = '1.0'\nrelocatable = false\nschema = settled\n"
SCRIPT = """
CREATE TABLE settings (id int PRIMARY KEY, v text, is_own bool DEFAULT false);
CREATE TABLE internal (id int);
CREATE SEQUENCE counted;
INSERT INTO settings VALUES (1, 'comes with it', true);
SELECT pg_extension_config_dump('settings', 'WHERE NOT is_own');
SELECT pg_extension_config_dump('counted', '');
"""


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """Both know an extension of the test's own, which only 18 and newer can find outside of their installation."""
    programs = programs_of(18)
    if programs is None:
        pytest.skip("there is no PostgreSQL 18 here")
    folder = Path(tempfile.mkdtemp(prefix="co-"))
    folder.chmod(0o755)
    try:
        place = folder / "extension"
        place.mkdir()
        (place / "settled.control").write_text(CONTROL)
        (place / "settled--1.0.sql").write_text(SCRIPT)
        path = f"{folder}:$system"
        with (
            running(programs, extension_control_path=path) as source,
            running(programs, extension_control_path=path) as target,
        ):
            yield source, target
    finally:
        shutil.rmtree(folder)


@pytest.mark.long
async def test_the_users_rows_in_an_extensions_table_arrive(servers: tuple[Server, Server]) -> None:
    source, target = servers[0].database(), servers[1].database()
    run_sql(
        source, "CREATE SCHEMA settled", "CREATE EXTENSION settled", "INSERT INTO settled.internal VALUES (7)",
        "INSERT INTO settled.settings VALUES (2, 'mine'), (3, 'mine too')", "SELECT setval('settled.counted', 42)",
    )  # fmt: skip

    await by_snapshot(source, target)
    arrived, differing = await compare(source, target), what_differs(servers, (source, target))
    run_sql(target, "DELETE FROM settled.settings WHERE id = 3", "SELECT setval('settled.counted', 1)")
    changed = await compare(source, target)

    assert [str(one) for one in arrived.differences] == []
    assert arrived.is_equal
    assert {line.rpartition(" ")[0] for line in differing} == {
        "< rows of ('settled', 'internal'): 1",
        "> rows of ('settled', 'internal'): 0",
    }
    assert [one.thing for one in changed.differences] == ["table settled.settings", "sequence settled.counted"]
    assert changed.differences[0].key == {"id": "3"}
