"""Files are removed and written only once the transaction that says so is committed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from tests.fix_control_plane import ControlPlane
from tests.fix_provider import Elsewhere
from tests.fix_things import Things


@contextmanager
def refused_at_commit(plane: ControlPlane, table: str, act: str, id_: str) -> Iterator[None]:
    """The state accepts every statement about that row, and refuses the commit."""
    with plane.state() as state:
        state.execute(
            "CREATE OR REPLACE FUNCTION state.refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'refused by a test'; END $$"
        )
        row = "OLD" if act == "DELETE" else "NEW"
        state.execute(
            f"CREATE CONSTRAINT TRIGGER refuse AFTER {act} ON state.{table} DEFERRABLE INITIALLY DEFERRED "
            f"FOR EACH ROW WHEN ({row}.id = '{id_}') EXECUTE FUNCTION state.refuse()"
        )
    try:
        yield
    finally:
        with plane.state() as state:
            state.execute(f"DROP TRIGGER refuse ON state.{table}")
            state.execute("DROP FUNCTION state.refuse")


def certificates(plane: ControlPlane) -> set[Path]:
    return set((plane.home / "certificates").glob("*/*/*"))


def test_certificates_stay_while_the_add_on_that_needs_them_is_not_forgotten(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, elsewhere: Elsewhere
) -> None:
    app, before = things.app(), certificates(control_plane)
    source = elsewhere.url_with(sslrootcert=elsewhere.database.authority.read_text())
    made = api.post(f"/changeover/v1/apps/{app}/adopted-databases", json={"source": source})
    assert made.status_code == 201, made.text
    addon = api.get(f"/apps/{app}/addons").json()[0]
    path, used = f"/apps/{app}/addons/{addon['name']}", certificates(control_plane)
    assert used > before

    with refused_at_commit(control_plane, "addons", "DELETE", addon["id"]):
        assert api.request("DELETE", path, json={}).status_code >= 500
    assert certificates(control_plane) == used
    assert api.get(f"/client/v11/databases/{addon['name']}").json()["num_tables"] is not None

    assert api.request("DELETE", path, json={}).status_code == 200
    assert certificates(control_plane) == before


def test_the_operators_token_is_written_only_where_it_is_renewed(own_plane: ControlPlane) -> None:
    with own_plane.client() as api:
        [own] = [one["id"] for one in api.get("/oauth/authorizations").json() if one["description"] == "Operator"]
        with refused_at_commit(own_plane, "authorizations", "UPDATE", own):
            refused = api.post(f"/oauth/authorizations/{own}/actions/regenerate-tokens")
    assert refused.status_code >= 500

    with own_plane.client() as api:
        assert api.get("/account").status_code == 200
        assert api.post(f"/oauth/authorizations/{own}/actions/regenerate-tokens").status_code == 200
    with own_plane.client() as api:
        assert api.get("/account").status_code == 200
