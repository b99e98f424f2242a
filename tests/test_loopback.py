"""Which hosts are this machine."""

from __future__ import annotations

import pytest

from changeover.loopback import is_loopback


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.1.1.1"]
)
def test_loopback_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1.evil.example",
        "127.evil.example",
        "127.",
        "localhost.evil.example",
        "notlocalhost",
        "128.0.0.1",
        "::",
        "",
    ],
)
def test_a_name_that_begins_like_an_address_of_loopback_is_not_this_machine(host: str) -> None:
    assert not is_loopback(host)
