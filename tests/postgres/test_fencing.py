"""What a fence makes of a login that was not refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.errors import ChangeoverError, FenceFailed, ServerUnreachable
from changeover.postgres.fencing import not_refused


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("a stranger was let in", FenceFailed),
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
