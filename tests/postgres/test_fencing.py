"""What a fence makes of a login that was not refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.errors import ChangeoverError, FenceFailed, ServerUnreachable
from changeover.postgres.cluster import Cluster
from changeover.postgres.fencing import not_refused, prepare


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("the login succeeded", FenceFailed),
        ("connection failed: fe_sendauth: no password supplied", FenceFailed),
        ('role "changeover_probe" does not exist', FenceFailed),
        ("the database system is starting up", ServerUnreachable),
        ("the database system is in recovery mode", ServerUnreachable),
        ('connection to server on socket "/s/.s.PGSQL.1" failed: No such file or directory', ServerUnreachable),
        ("connection failed: Connection refused", ServerUnreachable),
    ],
)
def test_one_that_is_just_starting_again_is_tried_again(said: str, error: type[ChangeoverError]) -> None:
    failure = not_refused(Path("/data"), said)

    assert (type(failure), failure.retryable) == (error, error is ServerUnreachable)
    assert said in failure.why


async def test_a_link_in_place_of_the_access_file_is_not_followed(tmp_path: Path) -> None:
    """Servers run as another user than we do: we must not copy, into a file of theirs, what they can't read."""
    secret, data = tmp_path / "secret", tmp_path / "data"
    secret.write_text("operator's token")
    data.mkdir()
    (data / "pg_hba.conf").symlink_to(secret)

    with pytest.raises(FileNotFoundError):
        await prepare(Cluster(tmp_path, data, tmp_path, tmp_path, 5432), "1", timeout_s=1)

    assert [path.name for path in data.iterdir()] == ["pg_hba.conf"]
