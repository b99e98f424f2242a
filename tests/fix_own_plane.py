"""A control plane for tests that break it. Starting one costs seconds: what is whole afterwards serves the next test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.fix_control_plane import ControlPlane, end_plane, started_plane, wait_until
from tests.fix_things import Things
from tests.trouble.inventory import processes


@pytest.fixture(scope="session")
def spare_planes() -> Iterator[list[ControlPlane]]:
    """Running, empty, and in nobody's use."""
    spare: list[ControlPlane] = []
    yield spare
    for plane in spare:
        end_plane(plane)


@pytest.fixture
def own_plane(request: pytest.FixtureRequest, spare_planes: list[ControlPlane]) -> Iterator[ControlPlane]:
    """Nobody else's while the test lasts, and without apps and databases."""
    with taken(request.session, spare_planes) as plane:
        yield plane


@pytest.fixture(scope="module")
def module_plane(request: pytest.FixtureRequest, spare_planes: list[ControlPlane]) -> Iterator[ControlPlane]:
    """As `own_plane`, for all tests of a file."""
    with taken(request.session, spare_planes) as plane:
        yield plane


@contextmanager
def taken(session: pytest.Session, spare: list[ControlPlane]) -> Iterator[ControlPlane]:
    """A spare one or a new one. It becomes a spare one again unless a test failed with it or changed what it runs with."""
    failed = session.testsfailed
    plane = spare.pop() if spare else started_plane()
    is_whole = False
    try:
        yield plane
        is_whole = session.testsfailed == failed and not plane.environment and plane.healthy()
        if is_whole:
            empty(plane)
            spare.append(plane)
    finally:
        if not is_whole:
            end_plane(plane)


def empty(plane: ControlPlane) -> None:
    with plane.client() as api:
        Things(plane, api).remove_all()
    wait_until(lambda: not processes(plane.home), what="the end of its servers")
