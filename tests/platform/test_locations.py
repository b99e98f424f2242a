"""How a database that somebody else runs is reached: encrypted, unless its address says otherwise."""

from __future__ import annotations

import pytest

from changeover.platform.locations import with_tls


@pytest.mark.parametrize(
    ("host", "given", "sslmode"),
    [
        ("db.example.com", {}, "require"),
        ("10.0.0.5", {}, "require"),
        ("db.example.com", {"sslmode": "verify-full"}, "verify-full"),
        ("db.example.com", {"sslmode": "disable"}, "disable"),
        ("127.0.0.1", {}, None),
        ("::1", {}, None),
        ("localhost", {}, None),
    ],
)
def test_what_leaves_this_machine_is_encrypted_unless_the_address_says_otherwise(
    host: str, given: dict[str, str], sslmode: str | None
) -> None:
    assert with_tls(host, given).get("sslmode") == sslmode
