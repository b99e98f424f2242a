"""Homes of dynos, and what is in them is gone when the test is over."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.runtime.fix_dynos import Home

from changeover.hosts.users import ensure_system_users


@pytest.fixture
async def idle_home() -> AsyncIterator[Home]:
    """Nothing runs yet."""
    await ensure_system_users()
    home = Home()
    yield home
    await home.close()


@pytest.fixture
async def home(idle_home: Home) -> Home:
    """Ready for dynos."""
    await idle_home.dynos.start()
    return idle_home
