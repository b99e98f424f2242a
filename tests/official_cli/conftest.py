"""The official CLI as a fixture, and the runbook that is played with it once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.fix_control_plane import ControlPlane, running_plane
from tests.official_cli.official import OfficialCli, missing
from tests.official_cli.runbook import APPS, Played, Runbook
from tests.official_cli.shop import Shop


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """The whole runbook, typed once against a control plane of its own, which runs on until the last test."""
    if reason := missing():
        pytest.skip(reason)
    for plane in running_plane():
        exports = plane.must("env", "--data-dir", str(plane.home), "--json").json
        heroku = OfficialCli(exports, tmp_path_factory.mktemp("official-cli-home"))
        yield Runbook(heroku, Shop(plane, tmp_path_factory.mktemp("orders"), APPS)).play()


@pytest.fixture
def heroku(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> OfficialCli:
    """It speaks to the shared control plane, from a home of its own."""
    if reason := missing():
        pytest.skip(reason)
    exports = control_plane.must("env", "--data-dir", str(control_plane.home), "--json").json
    return OfficialCli(exports, tmp_path_factory.mktemp("home"))
