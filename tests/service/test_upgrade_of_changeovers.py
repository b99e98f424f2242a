"""An upgrade in the middle: what the previous version began to move, this one finishes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from tests.fix_control_plane import ControlPlane, make_home, remove_home, wait_until
from tests.fix_previous import sources_of
from tests.fix_things import ESSENTIAL, STANDARD, Things

PREVIOUS = "33b6752"
"""The last commit whose changeovers of databases and of addresses had tables and steps of their own."""
V1 = "/changeover/v1"
FAILS_ON_THE_TARGET = """
CREATE TABLE items (id int PRIMARY KEY);
INSERT INTO items SELECT generate_series(1, 100);
CREATE FUNCTION half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 100 / ($1 - 500)';
CREATE INDEX half_of_it ON items (half(id));
CREATE OR REPLACE FUNCTION half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1 / ($1 - 51)';
"""


@pytest.fixture
def home() -> Iterator[Path]:
    home = make_home()
    yield home
    remove_home(home)


def until(api: httpx2.Client, path: str, what: str, condition: Any) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        seen: dict[str, Any] = api.get(f"{V1}{path}").json()
        return seen if condition(seen) else None

    found: dict[str, Any] = wait_until(look, what=f"{what}: {api.get(f'{V1}{path}').json()}")
    return found


def connected(url: str) -> psycopg.Connection | None:
    """None while its server is starting."""
    try:
        return psycopg.connect(url, autocommit=True)
    except psycopg.OperationalError:
        return None


def test_what_the_previous_version_began_to_move_is_finished_by_this_one(home: Path, tmp_path: Path) -> None:
    old = ControlPlane(home, {"PYTHONPATH": str(sources_of(PREVIOUS, tmp_path))})
    old.start()
    with old.client() as api:
        things = Things(old, api)
        app, other = things.app(), things.app()
        source, target = things.database(app, STANDARD), things.database(other, ESSENTIAL)
        ends = {"source": things.info(things.database(other, ESSENTIAL)["name"])["resource_url"],
                "target": things.info(target["name"])["resource_url"]}  # fmt: skip
        with psycopg.connect(ends["source"], autocommit=True) as db:
            db.execute(FAILS_ON_THE_TARGET)
        asked = {"app": app, "source": "DATABASE_URL", "to": STANDARD, "hold": "maintenance", "waits_for_word": True}
        waits = api.post(f"{V1}/changeovers", json=asked).json()["id"]
        migration = {**ends, "hold": "read-only", "keeps_owners": False}
        stops = api.post(f"{V1}/migrations", json=migration).json()["id"]
        until(api, f"/migrations/{stops}", "its stop", lambda seen: seen["stopped"])
        until(
            api, f"/changeovers/{waits}", "its wait", lambda seen: "begins the pause" in (seen["waits_because"] or "")
        )
    assert old.stop() == 0, old.logs()

    new = ControlPlane(home)
    new.start()
    with new.client() as api:
        assert until(api, f"/migrations/{stops}", "its stop", lambda seen: seen["stopped"])["held_since"]
        with wait_until(lambda: connected(ends["target"]), what="the target") as db:
            db.execute("CREATE OR REPLACE FUNCTION half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'")
        assert api.post(f"{V1}/migrations", json={**migration, "verify": "none"}).json()["id"] == stops
        assert api.post(f"{V1}/changeovers/{waits}/actions/cut-over", json={}).status_code == 200
        migrated = until(api, f"/migrations/{stops}", "its end", lambda seen: seen["finished_at"])
        moved = until(api, f"/changeovers/{waits}", "its end", lambda seen: seen["finished_at"])
        with psycopg.connect(ends["target"]) as db:
            assert db.execute("SELECT count(*) FROM items").fetchone() == (100,)
        names = {one["name"]: one["addon"]["name"] for one in api.get(f"/apps/{app}/addon-attachments").json()}

    assert (migrated["status"], migrated["report"]["copy"]["tables"]) == ("done", 1), migrated
    assert moved["status"] == "done", moved
    assert names["DATABASE"] == moved["target"] != source["name"]
    new.must("stop")
    assert new.wait() == 0, new.logs()

    old.start()  # the way back
    with old.client() as api:
        assert [one["id"] for one in api.get(f"{V1}/migrations").json()] == [stops]
    assert f"Migration {stops}: done" in old.must("migrations:info", str(stops)).stdout
    assert old.must("changeovers").stdout.count(str(waits)) >= 1
    assert old.stop() == 0, old.logs()
