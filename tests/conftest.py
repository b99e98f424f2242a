"""What holds for every test: how skips are reported, and the fixtures that many subjects share (fix_*.py)."""

from __future__ import annotations

import os

import pytest
from tests.skips import Skips

pytest_plugins = [
    "tests.fix_control_plane",
    "tests.fix_provider",
    "tests.fix_state",
    "tests.fix_things",
    "tests.fix_own_plane",
    "tests.fix_bucket",
    "tests.corpus.fix_servers",
]


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Skips(is_strict=os.environ.get("CI") == "true"), "changeover-skips")
