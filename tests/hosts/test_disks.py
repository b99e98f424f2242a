"""A full disk is recognized in an error of the system, of a server, of a program, and behind other failures."""

from __future__ import annotations

import errno
from pathlib import Path

import psycopg
import pytest

from changeover.hosts.disks import full_disk_behind, full_disk_in, naming


def test_a_failure_behind_others_is_found_with_its_path(tmp_path: Path) -> None:
    behind = RuntimeError("other")
    behind.__cause__ = OSError(errno.EDQUOT, "Disk quota exceeded", str(tmp_path / "file"))

    found = full_disk_behind(ExceptionGroup("two", [ValueError("one"), behind]), "It was not saved.")

    assert found is not None
    assert f"No space was left for {tmp_path / 'file'}. " in found.why
    assert "bytes are free" in found.why


def test_a_servers_refusal_is_one() -> None:
    found = full_disk_behind(psycopg.errors.DiskFull("could not extend file"), "It was not saved.")

    assert found is not None
    assert found.what == "It was not saved."
    assert "could not extend file" in found.why


def test_what_a_program_said_names_the_place(tmp_path: Path) -> None:
    said = f'initdb: error: could not write to file "{tmp_path}/pg_wal/x": No space left on device\nmore'

    found = full_disk_in(said, "initdb failed.")

    assert found is not None
    assert f"No space was left for {tmp_path}/pg_wal/x" in found.why


@pytest.mark.parametrize("failure", [OSError(errno.EACCES, "Permission denied"), ValueError("No space left on device")])
def test_another_failure_is_not_one(failure: Exception) -> None:
    assert full_disk_behind(failure, "It was not saved.") is None
    assert full_disk_in("permission denied", "It failed.") is None


def test_a_failed_write_gets_the_name_of_its_file() -> None:
    with pytest.raises(OSError, match="No space left on device: '/some/file'"), naming(Path("/some/file")):
        raise OSError(errno.ENOSPC, "No space left on device")
