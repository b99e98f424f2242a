"""The official CLI, unmodified, works on a database that somebody else runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.fix_control_plane import ControlPlane, url_of
from tests.fix_provider import Elsewhere
from tests.fix_things import Things
from tests.official_cli.official import OfficialCli, must

pytestmark = pytest.mark.timeout(300)


def assert_leads_there(url: str, elsewhere: Elsewhere) -> None:
    """With the certificate in a file that the app can read."""
    given, wanted = conninfo_to_dict(url), conninfo_to_dict(elsewhere.url)
    assert Path(str(given.pop("sslrootcert"))).read_bytes() == Path(str(wanted.pop("sslrootcert"))).read_bytes()
    assert given == wanted


def test_an_adopted_database_is_looked_at_entered_attached_promoted_and_forgotten(
    control_plane: ControlPlane, things: Things, heroku: OfficialCli, elsewhere: Elsewhere
) -> None:
    app, other = things.app(), things.app()
    control_plane.environment["OLD_ONE"] = elsewhere.url
    name = control_plane.must("pg:adopt", "env:OLD_ONE", "-a", app, "--as", "LEGACY", "--json").json["addon"]["name"]

    info = must(heroku(f"pg:info LEGACY_URL -a {app}"))
    assert (info.row("Plan"), info.row("Status"), info.row("Tables")) == ("External", "Available", "1")
    assert "100 (1 row)" in must(heroku(f"pg:psql LEGACY_URL -a {app} -c 'SELECT count(*) FROM orders'")).text
    assert elsewhere.database.owner.user in must(heroku(f"pg:credentials:url LEGACY_URL -a {app}")).text
    must(heroku(f"addons:attach {name} -a {other} --as BORROWED"))
    assert_leads_there(url_of(control_plane, other, "BORROWED_URL"), elsewhere)
    assert (
        f"Promoting {name} to DATABASE_URL on {other}... done" in must(heroku(f"pg:promote BORROWED -a {other}")).text
    )
    assert_leads_there(url_of(control_plane, other), elsewhere)
    gone = must(heroku(f"addons:destroy {name} -a {app} --confirm {app} --force"))
    assert f"{name} was only removed from changeover" in gone.text
    assert elsewhere.ask("SELECT count(*) FROM public.orders") == [(100,)]
