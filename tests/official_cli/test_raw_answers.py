"""Answers without `message`: what the official CLI makes of those that have everything else of our error shape."""

from __future__ import annotations

from pathlib import Path

from tests.fix_control_plane import ControlPlane
from tests.fix_things import ESSENTIAL, Things
from tests.official_cli.official import OfficialCli


def test_an_account_that_is_not_logged_in_ends_with_100(
    control_plane: ControlPlane, heroku: OfficialCli, tmp_path: Path
) -> None:
    """Scripts test for that exit code."""
    exports = control_plane.must("env", "--data-dir", str(control_plane.home), "--json").json
    stranger = OfficialCli({**exports, "HEROKU_API_KEY": "wrong"}, tmp_path)

    ended = stranger("auth:whoami")

    assert (ended.code, heroku("auth:whoami").code) == (100, 0)
    assert "not logged in" in ended.text


def test_a_database_that_is_being_created_is_warned_of_and_awaited(things: Things, heroku: OfficialCli) -> None:
    app = things.app()
    name = things.api.post(f"/apps/{app}/addons", json={"plan": ESSENTIAL}).json()["name"]

    shown, awaited = heroku(f"pg:info -a {app}"), heroku(f"pg:wait -a {app} --wait-interval 1")

    assert (shown.code, awaited.code) == (0, 0), shown.text + awaited.text
    assert "not yet provisioned" in shown.text or "Plan:" in shown.text
    assert things.when_provisioned(name)


def test_a_dyno_of_an_app_without_code_is_refused(things: Things, heroku: OfficialCli) -> None:
    ended = heroku(f"run:detached true -a {things.app()}")

    assert ended.code != 0
    assert "409" in ended.text
