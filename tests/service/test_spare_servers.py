"""The worker keeps a data directory ready for the next server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fix_control_plane import ControlPlane, running_plane, wait_until
from tests.fix_things import Things


@pytest.fixture
def plane_with_spares() -> Iterator[ControlPlane]:
    yield from running_plane(CHANGEOVER_SPARE_SERVERS="1")


def test_a_new_server_takes_the_spare_and_the_next_one_is_made(plane_with_spares: ControlPlane) -> None:
    def spares() -> list[tuple[Path, int]]:
        """Complete ones, and which folder on the disk each is."""
        found = plane_with_spares.home.glob("servers/.spare/*")
        return [(one, one.stat().st_ino) for one in found if ".making" not in one.name]

    [(place, first)] = wait_until(spares, what="the spare")
    with plane_with_spares.client() as api:
        things = Things(plane_with_spares, api)
        things.database(things.app())

    assert first in [data.stat().st_ino for data in plane_with_spares.home.glob("servers/*/data")]
    [(same_place, second)] = wait_until(spares, what="the next spare")
    assert same_place == place
    assert second != first
