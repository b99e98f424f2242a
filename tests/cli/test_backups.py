"""Backups at the command line: the tables, what is sent, what is asked, and a whole round with a real control plane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.api.test_transfers import ORDERS, content
from tests.cli.conftest import Keyboard
from tests.cli.plane import ADDON, Plane, Reply, Turns, attachment
from tests.corpus.loading import HERE as CORPUS
from tests.corpus.moving import lines_of
from tests.corpus.servers import program
from tests.fix_control_plane import ControlPlane, connect, url_of
from tests.fix_provider import Elsewhere
from tests.fix_things import ESSENTIAL, Things

from changeover.postgres.location import Location

TRANSFERS = "/client/v11/apps/shop/transfers"
AT = "2026-01-01 00:00:00 +0000"
DONE: dict[str, Any] = {
    "uuid": "u1", "num": 1, "name": "b001", "from_type": "pg_dump", "to_type": "gof3r", "from_name": "DATABASE",
    "to_name": "BACKUP", "to_url": "http://127.0.0.1/changeover/v1/backups/u1", "source_bytes": 4_000_000,
    "processed_bytes": 1_000_000, "progress": None, "succeeded": True, "warnings": 0, "schedule": None,
    "verified": {"at": "2026-01-02T03:00:00+00:00", "tables": 12, "rows": 3456}, "run": 7, "created_at": AT,
    "started_at": AT, "finished_at": AT, "canceled_at": None, "logs": [{"created_at": AT, "level": "info", "message": "Done"}],
}  # fmt: skip
RUNNING = {
    **DONE, "succeeded": None, "finished_at": None, "verified": None,
    "progress": {"says": "table public.orders", "percent": 40, "bytes_per_s": 3_000_000.0, "seconds_left": 12.0},
}  # fmt: skip
RESTORED = {**DONE, "num": 2, "name": "r002", "from_type": "gof3r", "to_type": "pg_restore", "from_name": "b001",
            "to_name": "DATABASE", "to_url": None, "verified": None}  # fmt: skip


@pytest.fixture
def shop(plane: Plane) -> Plane:
    """Its DATABASE resolves, and it has a backup."""
    plane.answers["POST /actions/addon-attachments/resolve"] = [attachment("DATABASE")]
    plane.answers[f"GET {TRANSFERS}"] = [RESTORED, DONE]
    plane.answers[f"GET {TRANSFERS}/b001"] = DONE
    return plane


def test_the_list_has_a_table_of_each_kind(typed: Keyboard, shop: Plane) -> None:
    lines = [line.strip() for line in typed("pg:backups", "-a", "shop").stdout.splitlines() if line.strip()]

    assert [line for line in lines if line.startswith("===")] == ["=== Backups", "=== Restores", "=== Copies"]
    [backup] = [line for line in lines if line.startswith("b001")]
    assert [cell.strip() for cell in backup.split("   ") if cell] == [
        "b001", AT, f"Completed {AT}", "976.56KB", "DATABASE", "2026-01-02, 12 tables, 3456 rows",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (RUNNING, "Running (table public.orders, 976.56KB, 2.86MB/s, 12 s left)"),
        ({**DONE, "warnings": 2}, "Finished with 2 warnings"),
        ({**DONE, "succeeded": False}, f"Failed {AT}"),
        ({**DONE, "succeeded": False, "canceled_at": AT}, f"Canceled {AT}"),
        ({**RUNNING, "started_at": None}, "Pending"),
    ],
)
def test_the_list_says_how_each_is_going(typed: Keyboard, shop: Plane, changed: dict[str, Any], says: str) -> None:
    shop.answers[f"GET {TRANSFERS}"] = [changed]

    assert f" {says} " in typed("pg:backups", "-a", "shop").stdout


def test_info_shows_sizes_the_log_and_when_it_was_verified(typed: Keyboard, shop: Plane) -> None:
    shown = typed("pg:backups:info", "-a", "shop").stdout

    assert "Verified:         2026-01-02, 12 tables, 3456 rows" in shown
    assert "Backup Size:      976.56KB (75% compression)" in shown
    assert f"{AT} Done" in shown


def test_a_capture_is_followed_to_its_end(typed: Keyboard, shop: Plane) -> None:
    shop.answers[f"POST /client/v11/databases/{ADDON['id']}/backups"] = RUNNING
    shop.answers[f"GET {TRANSFERS}/u1"] = Turns([RUNNING, DONE])

    ended = typed("pg:backups:capture", "-a", "shop", "--wait-interval", "0.1")

    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "Backing up DATABASE to b001... done, 976.56KB" in ended.stderr


def test_what_fails_is_told_as_its_run_tells_it(typed: Keyboard, shop: Plane) -> None:
    shop.answers[f"POST /client/v11/databases/{ADDON['id']}/backups"] = RUNNING
    shop.answers[f"GET {TRANSFERS}/u1"] = {**DONE, "succeeded": False}
    error = {"id": "bucket_refused", "what": "It could not be written.", "why": "403", "fix": "Check the keys."}
    shop.answers["GET /changeover/v1/runs/7"] = {"error": error}

    ended = typed("pg:backups:capture", "-a", "shop")

    assert ended.exit_code == 1
    assert "Backing up DATABASE to b001... failed" in ended.stderr
    assert "Check the keys." in ended.stderr


def test_a_restore_asks_for_the_apps_name_before_anything_is_sent(typed: Keyboard, shop: Plane) -> None:
    ended = typed("pg:backups:restore", "b001", "DATABASE_URL", "-a", "shop")

    assert (ended.exit_code, shop.sent(f"POST /client/v11/databases/{ADDON['id']}/restores")) == (2, [])
    assert "will be replaced by b001" in ended.stderr


@pytest.mark.parametrize(
    ("named", "url"),
    [
        ((), DONE["to_url"]),
        (("b001", "DATABASE_URL"), DONE["to_url"]),
        (("shop::b001",), DONE["to_url"]),
        (("https://example.com/a.dump?signature=x",), "https://example.com/a.dump?signature=x"),
        (("s3://bucket/a.dump",), "s3://bucket/a.dump"),
    ],
)
def test_a_restore_names_its_backup_in_many_ways(
    typed: Keyboard, shop: Plane, named: tuple[str, ...], url: str
) -> None:
    path = f"POST /client/v11/databases/{ADDON['id']}/restores"
    shop.answers[path] = RESTORED

    ended = typed("pg:backups:restore", *named, "-a", "shop", "--confirm", "shop", "--detach", "-e", "hstore,x.citext")

    assert ended.exit_code == 0, ended.stderr
    assert shop.sent(path) == [{"backup_url": url, "extensions": ["hstore", "x.citext"]}]


def test_a_file_here_is_restored_by_its_path(typed: Keyboard, shop: Plane, tmp_path: Path) -> None:
    path = f"POST /client/v11/databases/{ADDON['id']}/restores"
    shop.answers[path] = RESTORED
    (tmp_path / "my shop.dump").touch()

    typed("pg:backups:restore", "my shop.dump", "-a", "shop", "--confirm", "shop", "--detach")

    assert shop.sent(path)[0]["backup_url"] == (tmp_path / "my shop.dump").as_uri()


def test_a_copy_from_elsewhere_asks_for_the_targets_name(typed: Keyboard, shop: Plane) -> None:
    path = f"POST /client/v11/databases/{ADDON['id']}/transfers"
    shop.answers[path] = {**RESTORED, "name": "c003"}
    source = "postgres://u:p@db.example.com/old"

    assert typed("pg:copy", source, "DATABASE", "-a", "shop", "--confirm", "shop").exit_code == 2
    typed("pg:copy", source, "DATABASE", "-a", "shop", "--confirm", "DATABASE", "--detach")

    [sent] = shop.sent(path)
    assert (sent["from_name"], sent["from_url"]) == ("database old on db.example.com:5432", source)
    assert (sent["to_name"], sent["to_url"]) == ("DATABASE", "postgres://u:p%40ss@127.0.0.2:20001/db")
    assert "Neither of them" in typed("pg:copy", source, f"{source}2", "-a", "shop").stderr


FILES = ["sslrootcert=ca.pem", "sslcert=mine.pem", "sslkey=key.pem"]


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is in FILES of the folder where commands are typed; a service and a variable name them too."""
    found = {}
    for parameter in FILES:
        name, _, file = parameter.partition("=")
        found[name] = f"-----BEGIN {name}-----\nTUlJ+/=\n-----END {name}-----\n"
        (tmp_path / file).write_text(found[name])
    lines = ["[legacy]", "host=db.example.com", "port=7432", "user=u", "dbname=old", "password=p", *FILES]
    (tmp_path / "services").write_text("\n".join(lines))
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("LEGACY", f"postgres://u:p@db.example.com:8432/old?{'&'.join(FILES)}")
    return found


@pytest.mark.parametrize(
    ("source", "port"),
    [
        (f"postgres://u:p@db.example.com/old?{'&'.join(FILES)}", 5432),
        (f"host=db.example.com port=6432 user=u dbname=old password=p {' '.join(FILES)}", 6432),
        ("service=legacy", 7432),
        ("env:LEGACY", 8432),
    ],
)
def test_a_copy_sends_the_text_of_certificates_that_any_kind_of_address_names(
    typed: Keyboard, shop: Plane, texts: dict[str, str], source: str, port: int
) -> None:
    path = f"POST /client/v11/databases/{ADDON['id']}/transfers"
    shop.answers[path] = {**RESTORED, "name": "c003"}

    ended = typed("pg:copy", source, "DATABASE", "-a", "shop", "--confirm", "DATABASE", "--detach")

    assert ended.exit_code == 0, ended.stderr
    assert ("list of processes" in ended.stderr) is source.startswith("postgres://")
    [sent] = shop.sent(path)
    assert sent["from_name"] == f"database old on db.example.com:{port}"
    read = conninfo_to_dict(sent["from_url"])
    assert {name: read[name] for name in texts} == texts


def test_a_copy_whose_certificate_can_not_be_read_here_is_not_begun(typed: Keyboard, shop: Plane) -> None:
    address = "postgres://u:p@db.example.com/old?sslrootcert=missing.pem"

    for ends in ((address, "DATABASE"), ("DATABASE", address)):
        ended = typed("pg:copy", *ends, "-a", "shop", "--confirm", "DATABASE", "--detach")
        assert (ended.exit_code, "missing.pem" in ended.stderr) == (2, True)


@pytest.mark.parametrize(
    ("at", "sent"),
    [
        ("02:00 America/New_York", {"hour": "02", "timezone": "America/New_York"}),
        ("2:00 PST", {"hour": "2", "timezone": "America/Los_Angeles"}),
        ("23:00", {"hour": "23", "timezone": "UTC"}),
        ("02:30 UTC", None),
        ("24:00", None),
    ],
)
def test_a_schedule_is_a_full_hour_of_somebodys_day(
    typed: Keyboard, shop: Plane, at: str, sent: dict[str, str] | None
) -> None:
    path = f"POST /client/v11/databases/{ADDON['id']}/transfer-schedules"
    shop.answers[path] = {"next_at": AT}

    ended = typed("pg:backups:schedule", "DATABASE", "--at", at, "-a", "shop")

    assert ended.exit_code == (0 if sent else 2)
    assert shop.sent(path) == ([{**sent, "schedule_name": "DATABASE_URL"}] if sent else [])


def test_a_download_that_breaks_off_goes_on_where_it_was(typed: Keyboard, shop: Plane, tmp_path: Path) -> None:
    shop.answers[f"POST {TRANSFERS}/b001/actions/public-url"] = {"url": f"{shop.url}/dump"}
    shop.answers["GET /dump"] = Turns(
        [Reply(b"PGDMP-first", headers={"Content-Length": "18", "Connection": "close"}), Reply(b"-second", status=206)]
    )

    ended = typed("pg:backups:download", "b001", "-a", "shop", "--output", "my.dump")

    assert ended.exit_code == 0, ended.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["my.dump"]
    assert (tmp_path / "my.dump").read_bytes() == b"PGDMP-first-second"
    ranges = [one.headers.get("range") for one in shop.asked if one.path == "/dump"]
    assert ranges == [None, "bytes=11-"]


def test_a_database_is_backed_up_downloaded_restored_and_copied(
    control_plane: ControlPlane, things: Things, tmp_path: Path
) -> None:
    app = things.app()
    things.database(app, ESSENTIAL)
    url, file = url_of(control_plane, app), tmp_path / "shop.dump"
    with connect(url) as database:
        database.execute(ORDERS)
    before = content(url)

    captured = control_plane.must("pg:backups:capture", "-a", app, "--json").json
    control_plane.must("pg:backups:download", "-a", app, "--output", str(file))
    control_plane.must("pg:backups:delete", captured["name"], "-a", app, "--confirm", app)
    with connect(url) as database:
        database.execute("DELETE FROM orders")
    restored = control_plane.must("pg:backups:restore", str(file), "-a", app, "--confirm", app, "--verbose")

    assert file.stat().st_size == captured["processed_bytes"]
    assert content(url) == before
    assert "Complete: 2 tables restored" in restored.stderr
    assert "No active backups/transfers" in control_plane.typed("pg:backups:cancel", "-a", app).everything
    control_plane.must("pg:backups:schedule", "--at", "02:00 Europe/Berlin", "-a", app)
    assert "daily at 2:00 Europe/Berlin" in control_plane.must("pg:backups:schedules", "-a", app).stdout
    control_plane.must("pg:backups:unschedule", "-a", app)
    assert "No backup schedules" in control_plane.must("pg:backups:schedules", "-a", app).stdout


COPIED = ("types", "sequences", "keys", "partitions", "large_objects")


PART_OF_A_KEY = """
CREATE TABLE public.whole (id int PRIMARY KEY);
CREATE TABLE public.parted (id int REFERENCES public.whole) PARTITION BY LIST (id);
CREATE TABLE public.part PARTITION OF public.parted DEFAULT;
"""


def dumped(database: Location) -> list[str]:
    """All that pg_dump writes of it, rows included, without owners, rights, and the extensions that each server has."""
    plain = ("--no-owner", "--no-acl", "--exclude-schema=_heroku")
    lines = lines_of(program("pg_dump", *plain, location=database, major=15))
    return sorted(line for line in lines if "EXTENSION" not in line)


def test_a_copy_of_a_foreign_database_with_a_certificate_from_here_is_equal(
    control_plane: ControlPlane, things: Things, elsewhere: Elsewhere
) -> None:
    app = things.app()
    things.database(app, ESSENTIAL)
    elsewhere.ask("DROP SCHEMA _heroku CASCADE")  # no server of somebody else has it
    elsewhere.ask(f"ALTER DATABASE \"{elsewhere.database.name}\" SET app.mode = 'hidden'")
    elsewhere.ask("GRANT SELECT ON public.orders TO PUBLIC")
    with elsewhere.database.connect() as owner:
        for name in COPIED:
            owner.execute((CORPUS / f"{name}.sql").read_bytes())
        owner.execute(PART_OF_A_KEY)
    elsewhere.ask("ALTER TABLE public.part DISABLE TRIGGER ALL")
    file = control_plane.home / f"{app}.pem"  # in the folder where commands are typed
    file.write_text(elsewhere.database.authority.read_text())
    source = elsewhere.url_with(sslrootcert=file.name)

    copied = control_plane.must("pg:copy", source, "DATABASE", "-a", app, "--confirm", "DATABASE", "--verbose")

    assert 'Not restored: settings of the database ("app.mode")' in copied.stderr
    assert "Not restored: the rights of " in copied.stderr
    assert "disabled triggers of a foreign key (part, part)" in copied.stderr
    assert "hidden" not in copied.everything
    elsewhere.ask("ALTER TABLE public.part ENABLE TRIGGER ALL")
    elsewhere.ask(f'ALTER DATABASE "{elsewhere.database.name}" RESET ALL')
    control_plane.must("verify", source, url_of(control_plane, app))
    assert dumped(Location.parse(url_of(control_plane, app))) == dumped(
        Location.parse(elsewhere.url_with(sslmode="require", sslrootcert=None))
    )
    file.unlink()
    assert "can't be read" in control_plane.typed("verify", source, url_of(control_plane, app)).stderr


FOREIGN = "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE public.t (id int) SERVER s"
HIDDEN = "CREATE TABLE public.t (id int); ALTER TABLE public.t ENABLE ROW LEVEL SECURITY"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (FOREIGN, "FOREIGN DATA WRAPPER w, which affects FOREIGN TABLE public.t"),
        (HIDDEN, "hides rows from its role: public.t"),
    ],
)
def test_what_can_not_be_copied_is_said_before_the_target_is_emptied(
    control_plane: ControlPlane, things: Things, elsewhere: Elsewhere, source: str, says: str
) -> None:
    app = things.app()
    things.database(app, ESSENTIAL)
    with connect(url_of(control_plane, app)) as database:
        database.execute(ORDERS)
    before = content(url_of(control_plane, app))
    for statement in ("DROP SCHEMA _heroku CASCADE", *source.split("; "), "GRANT SELECT ON public.t TO PUBLIC"):
        elsewhere.ask(statement)

    refused = control_plane.typed("pg:copy", elsewhere.url, "DATABASE", "-a", app, "--confirm", "DATABASE")

    assert (refused.exit_code, says in refused.stderr) == (1, True), refused.stderr
    assert content(url_of(control_plane, app)) == before
