"""A running router in a home of its own, which is gone when the test is over."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.runtime.router.fix_router import RouterHome


@pytest.fixture
async def home() -> AsyncIterator[RouterHome]:
    home = RouterHome()
    try:
        await home.start()
        yield home
    finally:
        await home.close()
