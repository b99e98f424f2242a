"""The official CLI, unmodified, backs up, restores, copies and schedules."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest
from tests.fix_bucket import BucketServer
from tests.fix_control_plane import ControlPlane, connect, running_plane, url_of
from tests.fix_things import ESSENTIAL, Things
from tests.official_cli.official import OfficialCli, missing, must

from changeover.engines.local import CertificateAuthority

pytestmark = pytest.mark.timeout(300)


def orders(url: str) -> int | None:
    with connect(url) as database:
        row = database.execute("SELECT count(*) FROM orders WHERE to_regclass('extra') IS NULL").fetchone()
    return int(row[0]) if row else None


def test_a_backup_is_captured_shown_restored_and_deleted(
    control_plane: ControlPlane, things: Things, heroku: OfficialCli
) -> None:
    app = things.app()
    things.database(app, ESSENTIAL)
    url = url_of(control_plane, app)
    with connect(url) as database:
        database.execute("CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id")

    captured = must(heroku(f"pg:backups:capture -a {app}"))
    assert re.search(r"Backing up .*DATABASE.* to .*b001.*done", captured.text)
    with connect(url) as database:
        database.execute("DELETE FROM orders; CREATE TABLE extra ()")
    must(heroku(f"pg:backups:restore b001 DATABASE_URL -a {app} --confirm {app}"))
    assert orders(url) == 1000
    listed = must(heroku(f"pg:backups -a {app}")).text
    assert re.search(r"=== Backups .*b001 .*Completed .*DATABASE .*=== Restores .*r002 .*Completed", listed)
    info = must(heroku(f"pg:backups:info b001 -a {app}"))
    assert (info.row("Status"), info.row("Type"), info.row("Database")) == ("Completed", "Manual", "DATABASE")
    assert "pg_dump" in info.out
    public = must(heroku(f"pg:backups:url b001 -a {app}")).out.strip()
    assert httpx2.get(public).content.startswith(b"PGDMP")
    assert "No active backups/transfers" in heroku(f"pg:backups:cancel -a {app}").text
    must(heroku(f"pg:backups:delete b001 -a {app} --confirm {app}"))
    assert "No backups" in must(heroku(f"pg:backups -a {app}")).text


@pytest.mark.long
def test_daily_backups_are_scheduled_listed_and_unscheduled(things: Things, heroku: OfficialCli) -> None:
    app = things.app()
    things.database(app, ESSENTIAL)

    scheduled = must(heroku(f"pg:backups:schedule DATABASE_URL --at '02:00 America/New_York' -a {app}"))
    assert "at 02:00 America/New_York... done" in scheduled.text
    assert "DATABASE_URL: daily at 2:00 America/New_York" in must(heroku(f"pg:backups:schedules -a {app}")).text
    must(heroku(f"pg:backups:unschedule DATABASE_URL -a {app}"))
    assert "No backup schedules found" in heroku(f"pg:backups:schedules -a {app}").text


@pytest.mark.long
def test_a_database_is_copied_and_what_fails_says_why(
    control_plane: ControlPlane, things: Things, heroku: OfficialCli
) -> None:
    app, other = things.app(), things.app()
    things.database(app, ESSENTIAL)
    things.database(other, ESSENTIAL)
    with connect(url_of(control_plane, app)) as database:
        database.execute("CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id")

    copied = must(heroku(f"pg:copy {app}::DATABASE_URL DATABASE_URL -a {other} --confirm DATABASE"))
    assert "Copying... done" in copied.text
    assert orders(url_of(control_plane, other)) == 1000
    assert re.search(r"=== Copies .*c001 .*Completed", must(heroku(f"pg:backups -a {other}")).text)
    with connect(url_of(control_plane, app)) as database:
        database.execute("CREATE TABLE extra (id int); ALTER TABLE extra OWNER TO CURRENT_USER")
        database.execute("REVOKE SELECT ON extra FROM CURRENT_USER")
    failed = heroku(f"pg:backups:capture -a {app}")
    assert failed.code != 0
    assert "An error occurred and the backup did not finish." in failed.text
    assert "permission denied for table extra" in failed.text


@pytest.mark.long
def test_a_backup_is_downloaded_from_a_bucket_that_speaks_https(tmp_path: Path) -> None:
    """The official CLI downloads over https only, and wants a certificate that Node.js trusts."""
    if reason := missing():
        pytest.skip(reason)
    authority = CertificateAuthority(tmp_path / "ca")
    authority.issue(["127.0.0.1"], tmp_path / "tls", owner=None)
    ca = str(authority.certificate_path)
    server = BucketServer(tmp_path / "s3", tls=tmp_path / "tls")
    (server.root / "backups").mkdir(parents=True)
    server.start()
    try:
        for plane in running_plane(**server.settings, SSL_CERT_FILE=ca):
            with plane.client() as api:
                app = Things(plane, api).app()
                Things(plane, api).database(app, ESSENTIAL)
            exports = plane.must("env", "--data-dir", str(plane.home), "--json").json
            heroku = OfficialCli({**exports, "NODE_EXTRA_CA_CERTS": ca}, tmp_path)
            must(heroku(f"pg:backups:capture -a {app}"))
            must(heroku(f"pg:backups:download -a {app}"))
            [key] = server.objects()
            assert (tmp_path / "latest.dump").read_bytes() == (server.root / "backups" / key).read_bytes()
    finally:
        server.stop()
