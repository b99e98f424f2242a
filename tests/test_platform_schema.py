"""The check that all API tests rest on finds what is wrong."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from tests.platform_schema import assert_platform, platform_errors

REGION = {
    "country": "United States",
    "created_at": "2026-01-01T12:00:00Z",
    "description": "United States",
    "id": "01234567-89ab-cdef-0123-456789abcdef",
    "locale": "Virginia",
    "name": "us",
    "private_capable": True,
    "provider": {"name": "local", "region": "us-east-1"},
    "updated_at": "2026-01-01T12:00:00Z",
}


def test_a_right_resource_and_a_list_of_them_pass() -> None:
    assert_platform("region", REGION)
    assert_platform("region", [REGION, REGION])


@pytest.mark.parametrize("wrong", [{"id": "7"}, {"name": 7}, {"private_capable": "yes"}, {"created_at": "yesterday"}])
def test_a_wrong_field_is_named(wrong: dict[str, object]) -> None:
    (field,) = wrong

    assert [error.split(":")[0] for error in platform_errors("region", REGION | wrong)] == [f"$.{field}"]


def test_the_vendored_files_are_the_ones_that_their_page_describes() -> None:
    folder = Path(__file__).with_name("data")
    for name, digest in re.findall(r"^\| `([^`]+)`.*`([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.M):
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
