"""The target's disk is full in the middle: it is said, and what came over counts once there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.corpus.servers import Server, run_sql
from tests.postgres.snapshot.conftest import Copy

from changeover.hosts.programs import owner_ids


@pytest.fixture
def small_disk(copy: Copy, target_server: Server) -> Iterator[Path]:
    """The target database is on it; it holds 24 MB."""
    place = target_server.cluster.data_directory.parent / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("needs root and its mounts")
    os.chown(place, *owner_ids(target_server.cluster.run_as))
    run_sql(target_server.location(), f"CREATE TABLESPACE small LOCATION '{place}'",
            f'ALTER DATABASE "{copy.target.database}" SET TABLESPACE small')  # fmt: skip
    yield place
    target_server.drop(copy.target)
    run_sql(target_server.location(), "DROP TABLESPACE small")
    subprocess.run(["umount", place], check=True)


@pytest.mark.long
def test_a_full_disk_is_said_and_what_came_over_counts_when_there_is_room(copy: Copy, small_disk: Path) -> None:
    run_sql(
        copy.source, "CREATE TABLE wide AS SELECT i, repeat(md5(i::text), 30) AS t FROM generate_series(1, 60000) i"
    )
    copy.order(range_bytes=4 << 20)
    outcome = copy.run()
    assert outcome is not None
    assert outcome.error is not None
    assert outcome.error.id == "disk_full"
    done = run_sql(copy.target, "SELECT count(*) FROM _changeover.done WHERE kind = 'rows' AND name LIKE '%wide%'")
    assert done[0][0] > 0

    subprocess.run(["mount", "-o", "remount,size=300m", small_disk], check=True)
    report = copy.report()
    assert "started over" not in str(report["notes"])
    assert copy.has_arrived()
