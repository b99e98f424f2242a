"""Backups, restores and copies over HTTP against a real control plane, with the folder as its bucket."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import psycopg
import pytest
from tests.fix_bucket import Web
from tests.fix_control_plane import ControlPlane, connect, url_of, wait_until
from tests.fix_things import ESSENTIAL, Things

ORDERS = """
CREATE EXTENSION citext;
CREATE TABLE orders (id int PRIMARY KEY, note citext);
INSERT INTO orders SELECT n, md5(n::text) FROM generate_series(1, 5000) n;
CREATE VIEW spent AS SELECT count(*) FROM orders;
CREATE SCHEMA "odd one";
CREATE TABLE "odd one"."t
'x" (a int);
SELECT lo_from_bytea(0, 'large');
"""
CONTENT = """
SELECT (SELECT count(*) FROM orders), (SELECT sum(hashtext(note::text)) FROM orders),
       (SELECT count(*) FROM pg_largeobject_metadata), to_regclass('extra') IS NULL,
       (SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension)
"""


def begin(api: httpx2.Client, database: str, what: str, **body: Any) -> dict[str, Any]:
    answer = api.post(f"/client/v11/databases/{database}/{what}", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def transfer(api: httpx2.Client, app: str, key: object) -> dict[str, Any]:
    answer = api.get(f"/client/v11/apps/{app}/transfers/{key}?verbose=true")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ended(api: httpx2.Client, app: str, begun: dict[str, Any]) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = transfer(api, app, begun["uuid"])
        return found if found["finished_at"] else None

    found: dict[str, Any] = wait_until(look, what=f"the end of {begun['name']}")
    return found


def complete(api: httpx2.Client, app: str, begun: dict[str, Any]) -> dict[str, Any]:
    found = ended(api, app, begun)
    assert found["succeeded"], found["logs"]
    return found


def content(url: str) -> Any:
    with connect(url) as database:
        return database.execute(CONTENT).fetchone()


class Shop:
    """An app with a database that has some of everything."""

    def __init__(self, things: Things) -> None:
        self.things, self.plane, self.app = things, things.plane, things.app()
        self.database: str = things.database(self.app, ESSENTIAL)["id"]
        self.url = url_of(self.plane, self.app)

    def sql(self, statements: str) -> None:
        with connect(self.url) as database:
            database.execute(statements)

    def files(self) -> list[str]:
        return [path.name for path in self.plane.home.glob(f"backups/{self.app}/*")]


@pytest.fixture(scope="module")
def place(control_plane: ControlPlane) -> Iterator[Shop]:
    """Made once for all tests here: a database takes seconds."""
    with control_plane.client() as api:
        things = Things(control_plane, api)
        yield Shop(things)
        things.remove_all()


@pytest.fixture
def shop(api: httpx2.Client, place: Shop) -> Iterator[Shop]:
    """With its content as new, and no transfers."""
    place.sql('DROP SCHEMA IF EXISTS "odd one", extras CASCADE; DROP TABLE IF EXISTS orders, extra CASCADE')
    place.sql("DROP EXTENSION IF EXISTS citext; SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
    place.sql(ORDERS)
    yield place
    for one in api.get(f"/client/v11/apps/{place.app}/transfers").json():
        assert api.delete(f"/client/v11/apps/{place.app}/transfers/{one['num']}").status_code == 200
    with place.plane.state() as state:
        state.execute("DELETE FROM transfer_numbers")


def test_a_backup_restored_is_the_database_as_it_was(api: httpx2.Client, shop: Shop) -> None:
    before = content(shop.url)

    backup = complete(api, shop.app, begin(api, shop.database, "backups"))
    shop.sql("DELETE FROM orders WHERE id > 10; CREATE TABLE extra (id int); DROP VIEW spent")
    restored = complete(api, shop.app, begin(api, shop.database, "restores", backup_url=backup["to_url"]))

    assert content(shop.url) == before
    assert (backup["from_type"], backup["to_type"], backup["name"]) == ("pg_dump", "gof3r", "b001")
    assert (restored["from_type"], restored["to_type"], restored["name"]) == ("gof3r", "pg_restore", "r002")
    assert backup["source_bytes"] > backup["processed_bytes"] > 0
    assert (restored["warnings"], backup["num_keep"]) == (0, 5)
    with connect(shop.url) as database:
        database.execute("SELECT _heroku.pg_stat_statements_reset(), count(*) FROM pg_stat_statements")


def test_rows_whose_partition_is_another_one_in_every_database_are_restored(api: httpx2.Client, shop: Shop) -> None:
    """A type that is made anew has other numbers. pg_dump itself thinks of plain enums only."""
    labels = ", ".join(f"'{number}'" for number in range(40))
    shop.sql(f"""CREATE TYPE hue AS ENUM ({labels});
    CREATE TABLE hues (hues hue[]) PARTITION BY HASH (hues);
    CREATE TABLE hues_0 PARTITION OF hues FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE hues_1 PARTITION OF hues FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO hues SELECT ARRAY[hue] FROM unnest(enum_range(NULL::hue)) hue""")

    backup = complete(api, shop.app, begin(api, shop.database, "backups"))
    complete(api, shop.app, begin(api, shop.database, "restores", backup_url=backup["to_url"]))

    with connect(shop.url) as database:
        rows = database.execute("SELECT count(*), count(DISTINCT tableoid) FROM hues").fetchone()
        database.execute("DROP TABLE hues; DROP TYPE hue")
    assert rows == (40, 2)


def test_a_view_that_reads_itself_is_left_out_of_a_backup_and_named(api: httpx2.Client, shop: Shop) -> None:
    shop.sql("""CREATE VIEW loop AS SELECT 1 AS id; CREATE OR REPLACE VIEW loop AS SELECT id FROM loop;
    CREATE VIEW "over it" AS SELECT id FROM loop; COMMENT ON VIEW loop IS 'x'""")
    backup = complete(api, shop.app, begin(api, shop.database, "backups"))

    complete(api, shop.app, begin(api, shop.database, "restores", backup_url=backup["to_url"]))

    assert backup["warnings"] == 1
    said = (
        "Not backed up: 2 views (public.loop, public.over it): reading itself, or a view that does."
        " Such a view can't be created with SQL."
    )
    assert said in [line["message"] for line in backup["logs"]]
    with connect(shop.url) as database:
        assert database.execute("SELECT to_regclass('loop'), count(*) > 0 FROM orders").fetchone() == (None, True)


def test_a_backup_is_downloaded_by_an_address_that_lasts_for_an_hour(api: httpx2.Client, shop: Shop) -> None:
    backup = complete(api, shop.app, begin(api, shop.database, "backups"))
    path = f"/client/v11/apps/{shop.app}/transfers/{backup['num']}"

    public = api.post(f"{path}/actions/public-url").json()
    whole = httpx2.get(public["url"])
    rest = httpx2.get(public["url"], headers={"Range": "bytes=1000-"})

    assert (whole.status_code, whole.content[:5], len(whole.content)) == (200, b"PGDMP", backup["processed_bytes"])
    assert (rest.status_code, rest.content) == (206, whole.content[1000:])
    assert httpx2.get(public["url"][:-3] + "AAA").json()["id"] == "backup_gone"
    assert httpx2.get(backup["to_url"]).status_code == 401
    restored = begin(api, shop.database, "restores", backup_url=public["url"])
    complete(api, shop.app, restored)

    assert api.delete(path).status_code == 200
    assert (shop.files(), api.get(path).status_code) == ([], 404)


def test_a_copy_replaces_what_the_target_had(api: httpx2.Client, shop: Shop) -> None:
    things = shop.things
    other = things.app()
    target = things.database(other, ESSENTIAL)["id"]
    url = url_of(things.plane, other)
    with connect(url) as database:
        database.execute("CREATE TABLE extra (id int)")
    as_superuser(shop, "CREATE EXTENSION moddatetime")
    names = {"from_name": "DATABASE", "from_url": shop.url, "to_name": "DATABASE", "to_url": url}

    copied = complete(api, other, begin(api, target, "transfers", **names))

    assert content(url) == content(shop.url)
    as_superuser(shop, "DROP EXTENSION moddatetime")
    assert "Created moddatetime, which the owner may not create" in [line["message"] for line in copied["logs"]]
    assert (copied["name"], copied["from_url"], copied["to_url"]) == ("c001", None, None)
    to_itself = api.post(f"/client/v11/databases/{target}/transfers", json={**names, "from_url": url})
    assert (to_itself.status_code, to_itself.json()["id"]) == (422, "invalid_params")


def test_names_of_any_kind_arrive_by_a_copy_and_by_a_backup(api: httpx2.Client, shop: Shop) -> None:
    schemas = ["_heroku x", "public data", "_changeover\n", "a.b", "ACL", 'say "no"', "TABLE DATA public"]
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in schemas]
    with connect(shop.url) as database:
        for one in quoted:
            database.execute(f"CREATE SCHEMA {one}; CREATE TABLE {one}.{one} (id int PRIMARY KEY);".encode())
            database.execute(f"INSERT INTO {one}.{one} VALUES (1)".encode())
        database.execute(
            "CREATE SCHEMA ext; CREATE EXTENSION hstore WITH SCHEMA ext; CREATE TABLE words (w ext.hstore)"
        )
    other = shop.things.app()
    target = shop.things.database(other, ESSENTIAL)["id"]
    names = {
        "from_name": "DATABASE",
        "from_url": shop.url,
        "to_name": "DATABASE",
        "to_url": url_of(shop.things.plane, other),
    }

    complete(api, other, begin(api, target, "transfers", **names))
    backup = complete(api, shop.app, begin(api, shop.database, "backups"))
    complete(api, shop.app, begin(api, shop.database, "restores", backup_url=backup["to_url"]))

    for url in (names["to_url"], shop.url):
        with connect(url) as database:
            for one in quoted:
                assert database.execute(f"SELECT count(*) FROM {one}.{one}".encode()).fetchone() == (1,)
            where = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'hstore'"
            assert database.execute(where).fetchone() == ("ext",)
    with connect(shop.url) as database:
        database.execute("; ".join(f"DROP SCHEMA {one} CASCADE" for one in (*quoted, "ext")).encode())
        database.execute("DROP TABLE words")


def test_cancelling_ends_the_programs_and_leaves_nothing(api: httpx2.Client, shop: Shop) -> None:
    with connect(shop.url) as database, database.transaction():
        database.execute("LOCK TABLE orders")
        begun = begin(api, shop.database, "backups")
        wait_until(lambda: transfer(api, shop.app, 1)["started_at"] and _waits(shop), what="pg_dump to wait")
        busy = api.delete(f"/client/v11/apps/{shop.app}/transfers/1")

        api.post(f"/client/v11/apps/{shop.app}/transfers/{begun['uuid']}/actions/cancel")
        found = ended(api, shop.app, begun)
        assert not _waits(shop)

    assert busy.json()["id"] == "not_available"
    assert (found["succeeded"], bool(found["canceled_at"]), shop.files()) == (False, True, [])
    assert found["logs"][-1]["message"] == "Cancelled."
    again = api.post(f"/client/v11/apps/{shop.app}/transfers/1/actions/cancel")
    assert again.json()["id"] == "not_available"


def _waits(shop: Shop) -> bool:
    """By a session of its own: within a transaction the view stands still."""
    waiting = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'changeover:%' AND wait_event_type = 'Lock'"
    with connect(shop.url) as database:
        return bool(database.execute(waiting).fetchall())


def test_three_backups_are_made_at_once_and_more_wait_for_their_turn(api: httpx2.Client, shop: Shop) -> None:
    with connect(shop.url) as database, database.transaction():
        database.execute("LOCK TABLE orders")
        begun = [begin(api, shop.database, "backups") for _ in range(5)]
        wait_until(lambda: transfer(api, shop.app, 3)["started_at"], what="the third to begin")
        assert [transfer(api, shop.app, one["num"])["run"] is None for one in begun] == [False] * 3 + [True] * 2

        api.post(f"/client/v11/apps/{shop.app}/transfers/5/actions/cancel")
        assert ended(api, shop.app, begun[4])["canceled_at"]

    for one in begun[:4]:
        complete(api, shop.app, one)


def test_what_the_plan_no_longer_keeps_goes_after_the_next_backup(api: httpx2.Client, shop: Shop) -> None:
    addon = api.get(f"/addons/{shop.database}").json()
    with shop.plane.state() as state:
        state.execute(
            "INSERT INTO transfers (app_id, number, kind, addon_id, from_name, to_name, is_succeeded, created_at, finished_at)"
            " SELECT %s, 100 + n, 'backup', %s, 'DATABASE', 'BACKUP', true, now() - n * interval '1 day', now()"
            " FROM generate_series(1, 7) n",
            [addon["app"]["id"], addon["id"]],
        )

    backup = complete(api, shop.app, begin(api, shop.database, "backups"))

    def kept() -> list[int]:
        return sorted(one["num"] for one in api.get(f"/client/v11/apps/{shop.app}/transfers").json())

    wait_until(lambda: kept() == [backup["num"], 101, 102, 103, 104], what="the oldest to go")


def test_what_can_not_be_restored_changes_nothing(api: httpx2.Client, shop: Shop, web: Web) -> None:
    before = content(shop.url)
    backup = complete(api, shop.app, begin(api, shop.database, "backups"))
    [file] = shop.plane.home.glob(f"backups/{shop.app}/*")
    archive = file.read_bytes()
    web.answers = {"/text": b"CREATE TABLE orders ();", "/empty": b"", "/cut": archive[:200]}

    failed = [
        ended(api, shop.app, begin(api, shop.database, "restores", backup_url=f"{web.url}{path}"))
        for path in ("/text", "/empty", "/cut", "/missing")
    ]

    assert [one["succeeded"] for one in failed] == [False] * 4
    assert "not an archive that pg_restore can read" in failed[0]["logs"][-1]["message"]
    assert "404" in failed[3]["logs"][-1]["message"]
    assert content(shop.url) == before
    wrong = api.post(
        f"/client/v11/databases/{shop.database}/restores",
        json={"backup_url": backup["to_url"], "extensions": ["no_such_extension"]},
    )
    assert "no_such_extension" in ended(api, shop.app, wrong.json())["logs"][-1]["message"]
    assert content(shop.url) == before


def test_a_copy_from_where_nobody_lets_us_in_changes_nothing(api: httpx2.Client, shop: Shop) -> None:
    before = content(shop.url)
    names = {"from_name": "theirs", "to_name": "DATABASE", "to_url": shop.url}
    source = shop.url.replace("postgres://u", "postgres://nobody").rpartition("/")[0] + "/elsewhere"

    failed = ended(api, shop.app, begin(api, shop.database, "transfers", from_url=source, **names))

    assert "does not let nobody" in failed["logs"][-1]["message"]
    assert api.get(f"/changeover/v1/runs/{failed['run']}").json()["error"]["id"] == "login_refused"
    assert content(shop.url) == before


def test_a_download_that_breaks_off_is_begun_again(api: httpx2.Client, shop: Shop, web: Web) -> None:
    before = content(shop.url)
    complete(api, shop.app, begin(api, shop.database, "backups"))
    [file] = shop.plane.home.glob(f"backups/{shop.app}/*")
    web.answers, web.breaks_after = {"/dump": file.read_bytes()}, {2: 60_000}

    restored = complete(api, shop.app, begin(api, shop.database, "restores", backup_url=f"{web.url}/dump"))

    assert content(shop.url) == before
    assert [line["level"] for line in restored["logs"]].count("error") == 1


def test_extensions_are_made_before_anything_else(api: httpx2.Client, shop: Shop) -> None:
    backup = complete(api, shop.app, begin(api, shop.database, "backups"))
    complete(
        api, shop.app,
        begin(api, shop.database, "restores", backup_url=backup["to_url"], extensions=["extras.hstore", "pgcrypto"]),
    )  # fmt: skip

    with connect(shop.url) as database:
        found = database.execute(
            "SELECT extname, extnamespace::regnamespace::text FROM pg_extension WHERE extname IN ('hstore', 'pgcrypto')"
        ).fetchall()
    assert sorted(found) == [("hstore", "extras"), ("pgcrypto", "public")]


def test_others_see_and_restore_nothing(api: httpx2.Client, control_plane: ControlPlane, shop: Shop) -> None:
    backup = complete(api, shop.app, begin(api, shop.database, "backups"))
    with control_plane.client(shop.things.token_for("eve@example.com")) as eve:
        app = eve.post("/apps", json={}).json()["name"]
        made = eve.post(f"/apps/{app}/addons", json={"plan": ESSENTIAL, "config": {}, "attachment": {}}).json()
        shop.things.when_provisioned(made["name"])
        restore = f"/client/v11/databases/{made['id']}/restores"

        assert eve.get(f"/client/v11/apps/{shop.app}/transfers").status_code == 403
        assert eve.post(restore, json={"backup_url": backup["to_url"]}).status_code == 404
        [file] = shop.plane.home.glob(f"backups/{shop.app}/*")
        for url in (file.as_uri(), "s3://backups/shop.dump"):
            assert eve.post(restore, json={"backup_url": url}).json()["id"] == "invalid_params"


# -- daily


def schedule(api: httpx2.Client, shop: Shop, **body: str) -> httpx2.Response:
    wish = {"hour": "02", "timezone": "America/New_York", "schedule_name": "DATABASE_URL", **body}
    return api.post(f"/client/v11/databases/{shop.database}/transfer-schedules", json=wish)


def test_a_backup_that_was_planned_while_the_clock_was_ahead_is_brought_forward(
    api: httpx2.Client, control_plane: ControlPlane, shop: Shop
) -> None:
    made = schedule(api, shop)
    assert made.status_code == 201, made.text
    with control_plane.state() as state:
        change = "UPDATE transfer_schedules SET next_at = next_at + interval '40 days' RETURNING id, next_at"
        [(number, ahead)] = state.execute(change).fetchall()
        control_plane.child("worker").kill()  # the next one corrects it at once, and every hour
        query = "SELECT FROM transfer_schedules WHERE id = %s AND next_at = %s - interval '40 days'"
        wait_until(lambda: state.execute(query, [number, ahead]).fetchall(), what="the next day's time")


def test_a_schedule_is_made_changed_listed_and_removed(api: httpx2.Client, shop: Shop) -> None:
    path = f"/client/v11/databases/{shop.database}/transfer-schedules"
    schedule(api, shop)
    made = schedule(api, shop, hour="3").json()

    assert [(one["name"], one["hour"], one["timezone"]) for one in api.get(path).json()] == [
        ("DATABASE_URL", 3, "America/New_York")
    ]
    assert schedule(api, shop, timezone="Mars/Olympus").json()["id"] == "invalid_params"
    api.delete(f"{path}/{made['uuid']}")
    assert api.get(path).json() == []


def test_a_due_backup_is_made_once_and_verified_in_a_scratch_server(
    api: httpx2.Client, control_plane: ControlPlane, shop: Shop
) -> None:
    made = schedule(api, shop).json()
    with control_plane.state() as state:
        state.execute("UPDATE transfer_schedules SET next_at = now() - interval '3 days' WHERE id = %s", [made["uuid"]])

    found = wait_until(
        lambda: [one for one in api.get(f"/client/v11/apps/{shop.app}/transfers").json() if one["verified"]],
        what="the backup to be made and verified",
    )

    assert [(one["name"], one["verified"]["tables"], one["verified"]["rows"]) for one in found] == [("a001", 2, 5000)]
    [now] = api.get(f"/client/v11/databases/{shop.database}/transfer-schedules").json()
    assert datetime.fromisoformat(now["next_at"]) > datetime.now(UTC)
    assert "Verified: " in transfer(api, shop.app, 1)["logs"][-1]["message"]
    servers = "SELECT count(*) FROM servers WHERE NOT EXISTS (SELECT FROM databases WHERE server_name = name)"
    with control_plane.state() as state:
        wait_until(lambda: state.execute(servers).fetchone() == (0,), what="the scratch server to go")


@pytest.mark.long
def test_a_backup_that_was_spoilt_is_found_by_verifying_it(api: httpx2.Client, shop: Shop) -> None:
    complete(api, shop.app, begin(api, shop.database, "backups"))
    [file] = shop.plane.home.glob(f"backups/{shop.app}/*")
    with file.open("r+b") as archive:
        archive.truncate(file.stat().st_size * 2 // 3)

    begun = api.post(f"/changeover/v1/apps/{shop.app}/backups/1/actions/verify").json()

    run = f"/changeover/v1/runs/{begun['run']}"
    wait_until(lambda: api.get(run).json()["status"] == "failed", what="the verification to fail")
    assert "error" in transfer(api, shop.app, 1)["verified"]


def as_superuser(shop: Shop, statements: str) -> None:
    with shop.plane.state() as state:
        server = state.execute(
            "SELECT socket_directory, port, database_name FROM databases JOIN servers ON name = server_name"
            " WHERE addon_id = %s",
            [shop.database],
        ).fetchone()
    assert server
    with psycopg.connect(
        host=server[0], port=server[1], dbname=server[2], user="changeover", autocommit=True
    ) as database:
        database.execute(statements.encode())


def test_a_restore_makes_extensions_that_its_owner_may_not_make(api: httpx2.Client, shop: Shop) -> None:
    as_superuser(shop, "CREATE EXTENSION earthdistance SCHEMA public CASCADE")
    shop.sql("CREATE TABLE extra (at earth); INSERT INTO extra VALUES (ll_to_earth(52.5, 13.4))")
    backup = complete(api, shop.app, begin(api, shop.database, "backups"))
    as_superuser(shop, "DROP EXTENSION cube CASCADE")
    shop.sql("DROP TABLE extra")

    restored = complete(api, shop.app, begin(api, shop.database, "restores", backup_url=backup["to_url"]))

    assert [one for one in restored["logs"] if "Created earthdistance" in one["message"]]
    with connect(shop.url) as database:
        assert database.execute("SELECT count(*) FROM extra").fetchone() == (1,)
        rights = database.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    assert rights == (False,)
    as_superuser(shop, "DROP EXTENSION cube CASCADE; DROP TABLE extra")
