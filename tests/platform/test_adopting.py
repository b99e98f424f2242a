"""Adopted databases: somebody else's PostgreSQL as an add-on, through the API, on real servers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.engines.fix_poolers import planned
from tests.fix_control_plane import ControlPlane, url_of
from tests.fix_poolers import needs_pgbouncer
from tests.fix_provider import Elsewhere, Provider, adopt, adopted, error_of, kept
from tests.fix_things import STANDARD, Things, rows_of, unique

from changeover.engines.local import CertificateAuthority
from changeover.platform.locations import location_of
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach
from changeover.runs.ticks import Ticks
from changeover.service.composition import make_parts
from changeover.service.places import Places
from changeover.service.state import State
from changeover.settings import Settings
from changeover.store.query import Db

PLAN = "heroku-postgresql:external"


def test_its_url_is_as_it_was_given_and_pg_info_says_what_it_is(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, elsewhere: Elsewhere
) -> None:
    app = things.app()

    name = adopted(api, app, elsewhere.url, **{"as": "LEGACY"})

    assert url_of(control_plane, app, "LEGACY_URL") == elsewhere.url
    info = things.info(name)
    rows = rows_of(info)
    assert (rows["Plan"], rows["Status"], rows["Tables"]) == ("External", "Available", "1")
    assert rows["PG Version"] == elsewhere.ask("SELECT split_part(version(), ' ', 2)")[0][0]
    assert rows["Connections"].startswith("0/")
    assert (rows["Fork/Follow"], rows["Connection Pooling"]) == ("Unsupported", "Unsupported")
    assert {"Following", "Behind By", "Maintenance", "Continuous Protection"}.isdisjoint(rows)
    assert (info["resource_url"], info["following"]) == (elsewhere.url, None)


def test_it_costs_nothing_and_nobody_can_order_one(things: Things, api: httpx2.Client, elsewhere: Elsewhere) -> None:
    app = things.app()
    addon = api.get(f"/addons/{adopted(api, app, elsewhere.url)}").json()

    assert (addon["plan"]["name"], addon["plan"]["price"]["cents"], addon["plan"]["visible"]) == (PLAN, 0, False)
    plans = api.get("/addon-services/heroku-postgresql/plans").json()
    assert PLAN not in [plan["name"] for plan in plans]
    ordered = api.post(f"/apps/{app}/addons", json={"plan": {"name": PLAN}})
    assert error_of(ordered) == (422, "invalid_params")
    assert "changeover pg:adopt SOURCE" in ordered.json()["fix"]


def test_nothing_is_changed_there(things: Things, api: httpx2.Client, elsewhere: Elsewhere) -> None:
    what = (
        "SELECT (SELECT json_agg(oid::text ORDER BY oid) FROM pg_class), (SELECT json_agg(rolname) FROM pg_roles),"
        " (SELECT json_agg(nspname) FROM pg_namespace), (SELECT count(*) FROM pg_db_role_setting)"
    )
    before = elsewhere.ask(what)
    app = things.app()

    name = adopted(api, app, elsewhere.url)
    things.info(name)
    gone = api.request("DELETE", f"/apps/{app}/addons/{name}", json={})

    assert gone.json()["state"] == "deprovisioned"
    assert f"{name} was only removed from changeover" in gone.headers["x-heroku-warning"]
    assert elsewhere.ask(what) == before
    assert elsewhere.ask("SELECT count(*) FROM public.orders") == [(100,)]
    assert api.get(f"/apps/{app}/config-vars").json() == {}


def test_destroying_its_app_forgets_it_too(control_plane: ControlPlane, things: Things, api: httpx2.Client,
                                           elsewhere: Elsewhere) -> None:  # fmt: skip
    before = kept(control_plane)[:4]
    app = things.app()
    adopted(api, app, elsewhere.url)

    assert api.delete(f"/apps/{app}").status_code == 200

    assert kept(control_plane)[:4] == before
    assert elsewhere.ask("SELECT count(*) FROM public.orders") == [(100,)]


BAD = {
    "a wrong password": ({"password": "not-that-one"}, "login_refused", "password authentication failed"),
    "a database that is not there": ({"dbname": "nowhere"}, "login_refused", "nowhere"),
    "a port where nobody listens": ({"port": "1"}, "server_unreachable", "Connection refused"),
    "a name that its certificate lacks": ({"host": "localhost"}, "not_trusted", "does not match host name"),
    "a socket": ({"host": "/var/run/postgresql"}, "bad_address", "socket"),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_can_not_be_reached_leaves_nothing(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, elsewhere: Elsewhere, bad: str
) -> None:
    changed, id_, says = BAD[bad]
    app = things.app()
    before = kept(control_plane)

    refused = adopt(api, app, elsewhere.url_with(**changed))

    assert refused.json()["id"] == id_
    assert says in refused.json()["message"]
    assert "not-that-one" not in refused.text
    assert elsewhere.database.owner.password not in refused.text
    assert kept(control_plane) == before


def test_an_authority_that_did_not_sign_it_is_no_proof(
    things: Things, api: httpx2.Client, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    stranger = str(CertificateAuthority(tmp_path).ensure())

    refused = adopt(api, things.app(), elsewhere.url_with(sslrootcert=stranger))

    assert error_of(refused) == (422, "not_trusted")


@needs_pgbouncer
def test_a_poolers_address_is_refused(things: Things, api: httpx2.Client, elsewhere: Elsewhere) -> None:
    pooled = planned(elsewhere.host, elsewhere.database)
    asyncio.run(pooled.start())
    try:
        refused = adopt(api, things.app(), elsewhere.url_with(port=str(pooled.pooler.port)))
    finally:
        asyncio.run(pooled.remove())

    assert error_of(refused) == (422, "pooled_address")


def test_what_is_no_address_is_refused_and_not_repeated(things: Things, api: httpx2.Client) -> None:
    refused = adopt(api, things.app(), "postgres://u:secret@/")

    assert error_of(refused) == (422, "bad_address")
    assert "secret" not in refused.text


def test_only_the_operator_names_files_of_this_host(things: Things, elsewhere: Elsewhere) -> None:
    token = things.token_for(f"{unique('dev')}@example.com")
    with things.plane.client(token) as theirs:
        app = theirs.post("/apps", json={"name": unique("shop")}).json()["name"]

        assert error_of(adopt(theirs, app, elsewhere.url)) == (403, "forbidden")
        assert adopt(theirs, app, elsewhere.url_with(sslmode="require", sslrootcert=None)).status_code == 201


def test_it_is_attached_detached_and_promoted_like_any_other(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, elsewhere: Elsewhere
) -> None:
    app, other = things.app(), things.app()
    ours = things.database(other)["name"]
    name = adopted(api, app, elsewhere.url, **{"as": "LEGACY"})
    attached = api.post("/addon-attachments", json={"addon": name, "app": other, "name": "BORROWED"}).json()

    promoted = api.post(f"/changeover/v1/apps/{other}/databases/BORROWED/actions/promote", json={})

    assert promoted.json()["previous"]["addon"]["name"] == ours
    assert url_of(control_plane, other) == elsewhere.url
    assert api.delete(f"/addon-attachments/{attached['id']}").status_code == 200
    refused = api.request("DELETE", f"/apps/{app}/addons/{name}", json={})
    assert error_of(refused) == (422, "attached_elsewhere")


def test_what_needs_a_server_of_ours_is_refused_with_its_reason(
    things: Things, api: httpx2.Client, elsewhere: Elsewhere
) -> None:
    app = things.app()
    name = adopted(api, app, elsewhere.url)
    in_plan = {"config": {"follow": name}, "plan": STANDARD}
    pooling = f"/client/v11/databases/{name}/connection-pooling"
    asked = {
        "follow": api.post(f"/apps/{app}/addons", json=in_plan),
        "follow by URL": api.post(f"/apps/{app}/addons", json={**in_plan, "config": {"follow": elsewhere.url}}),
        "pool": api.post(pooling, json={"app": app, "credential": "default"}),
        "change plan": api.patch(f"/apps/{app}/addons/{name}", json={"plan": STANDARD}),
        "changeover": api.post("/changeover/v1/changeovers", json={"app": app, "source": name, "to": "standard-0"}),
    }
    for what, refused in asked.items():
        assert error_of(refused) == (422, "not_ours"), what
        assert "not managed by changeover" in refused.json()["why"]
        assert f"changeover migrate {name} TARGET" in refused.json()["fix"]
    assert error_of(api.put(f"/client/v11/databases/{name}/unfollow")) == (422, "not_a_follower")


@needs_pgbouncer
def test_it_does_not_take_over_a_pool_of_ours(things: Things, api: httpx2.Client, elsewhere: Elsewhere) -> None:
    app = things.app()
    ours = things.database(app)["name"]
    api.post(f"/client/v11/databases/{ours}/connection-pooling", json={"app": app, "credential": "default"})
    adopted(api, app, elsewhere.url, **{"as": "LEGACY"})

    refused = api.post(f"/changeover/v1/apps/{app}/databases/LEGACY/actions/promote", json={})

    assert error_of(refused) == (422, "not_ours")
    assert f"changeover addons:detach DATABASE_CONNECTION_POOL -a {app}" in refused.json()["fix"]


def test_nobody_here_keeps_it_alive_or_counts_it_among_our_servers(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, elsewhere: Elsewhere
) -> None:
    adopted(api, things.app(), elsewhere.url)
    with control_plane.state() as state:
        rows = state.execute("SELECT host, is_wanted, data_directory FROM servers WHERE engine = 'external'").fetchall()
    assert rows == [(None, False, None)]


def test_its_password_and_parameters_are_encrypted_in_our_state(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, elsewhere: Elsewhere
) -> None:
    adopted(api, things.app(), elsewhere.url)
    with control_plane.state() as state:
        texts = [
            str(state.execute(f"SELECT json_agg({table}) FROM {table}").fetchone())
            + repr([bytes(value) for row in state.execute(f"SELECT {column} FROM {table}") for value in row if value])
            for table, column in (("servers", "parameters"), ("credentials", "password"), ("releases", "config"))
        ]
    assert elsewhere.database.owner.password not in "".join(texts)
    assert "verify-full" not in "".join(texts)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_one_that_hangs_is_unavailable_and_keeps_no_list_up(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, provider: Provider
) -> None:
    server, app = provider.server(), things.app()
    names = [adopted(api, app, provider.database(server).url) for _ in range(3)]
    with stopped(provider.postmaster(server)):
        listed = control_plane.must("pg:info", "-a", app).stdout
    assert listed.count("Unavailable (It did not answer within 3 seconds.)") == 3
    assert rows_of(things.info(names[0]))["Status"] == "Available"


def test_one_that_does_not_answer_is_not_promoted(things: Things, api: httpx2.Client, elsewhere: Elsewhere) -> None:
    app = things.app()
    name = adopted(api, app, elsewhere.url, **{"as": "LEGACY"})
    elsewhere.with_password("renewed")

    refused = api.post(f"/changeover/v1/apps/{app}/databases/LEGACY/actions/promote", json={})

    assert error_of(refused) == (409, "not_available")
    assert "password authentication failed" in refused.json()["what"]
    assert api.get(f"/client/v11/databases/{name}/wait_status").json()["waiting?"] is True


def test_its_owners_sessions_can_be_ended(things: Things, api: httpx2.Client, elsewhere: Elsewhere) -> None:
    name = adopted(api, things.app(), elsewhere.url)
    with elsewhere.database.connect() as session:
        answer = api.post(f"/client/v11/databases/{name}/connection_reset")
        assert answer.json()["message"] == "1 connections terminated"
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


def test_adopted_or_ours_a_database_has_a_location_that_its_owner_can_enter(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, elsewhere: Elsewhere
) -> None:
    app = things.app()
    ours, theirs = things.database(app)["id"], api.get(f"/addons/{adopted(api, app, elsewhere.url)}").json()["id"]

    async def both() -> list[tuple[Location, tuple[Any, ...] | None]]:
        places, settings = Places(control_plane.home), Settings.read()
        state = State(places, settings)
        parts = make_parts(places, settings, Ticks(state.conninfo, host=settings.host_name))
        db: Db = await psycopg.AsyncConnection.connect(make_conninfo(**state.conninfo), autocommit=True)
        async with db:
            locations = [await location_of(db, parts, addon) for addon in (ours, theirs)]
        return [(location, await _ask(location)) for location in locations]

    (local, of_ours), (external, of_theirs) = asyncio.run(both())

    assert of_ours == (local.user, True)
    assert of_theirs == (external.user, True)
    assert external.parameters == elsewhere.location.parameters
    assert local.parameters["sslmode"] == "verify-full"


async def _ask(location: Location) -> tuple[Any, ...] | None:
    async with reach(location) as connection:
        asked = await connection.execute("SELECT current_user::text, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        return await asked.fetchone()
