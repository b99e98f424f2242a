"""The official CLI as a fixture, and the runbook that is played with it once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.fix_control_plane import running_plane
from tests.official_cli.official import OfficialCli, missing
from tests.official_cli.runbook import Played, Runbook


@pytest.fixture(scope="session")
def heroku(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfficialCli]:
    """Run a line of the official CLI against a control plane of its own; see official.py for what it answers."""
    if reason := missing():
        pytest.skip(reason)
    for plane in running_plane():
        exports = plane.must("env", "--data-dir", str(plane.home), "--json").json
        yield OfficialCli(exports, tmp_path_factory.mktemp("official-cli-home"))


@pytest.fixture(scope="session")
def played(heroku: OfficialCli) -> Played:
    """The whole runbook, typed once."""
    return Runbook(heroku).play()
