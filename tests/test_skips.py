"""A test that never runs proves nothing: CI accepts only the skips that tests/allowed-skips names."""

from __future__ import annotations

import pytest
from tests.skips import not_allowed

ALLOWED = """
# a comment
tests/engines/*: needs root
*[wheel]: no wheel*
"""


@pytest.mark.parametrize(
    ("line", "is_allowed"),
    [
        ("tests/engines/test_disk.py::test_full: needs root", True),
        ("tests/engines/test_disk.py::test_full: needs root and luck", False),
        ("tests/cli/test_x.py::test_y[wheel]: no wheel for this machine", True),
        ("tests/cli/test_x.py::test_y[system]: no wheel for this machine", False),
        ("# a comment", False),
    ],
)
def test_a_skip_is_allowed_when_a_pattern_matches_its_whole_line(line: str, is_allowed: bool) -> None:
    assert (not_allowed([line], ALLOWED) == []) is is_allowed
