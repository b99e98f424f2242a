"""`pg:adopt` as it is typed: against a recorded control plane, and a real one with a real provider."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import ADDON, Plane, Reply, Turns, attachment
from tests.fix_control_plane import ControlPlane
from tests.fix_provider import Elsewhere
from tests.fix_things import Things

PATH = "POST /changeover/v1/apps/shop/adopted-databases"
SOURCE = "postgres://shop@db.example.com:5432/shop"
DONE = {"addon": ADDON, "attachment": attachment("LEGACY"), "was_known": False}


def test_the_address_goes_out_of_a_variable_and_into_the_request(
    typed: Keyboard, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLD_ONE", SOURCE)
    plane.answers[PATH] = DONE
    ended = typed("pg:adopt", "env:OLD_ONE", "-a", "shop", "--as", "LEGACY")

    assert ended.exit_code == 0
    assert plane.sent(PATH) == [{"source": SOURCE, "as": "LEGACY"}]
    assert ended.stderr == "Adopting a database on shop... done\n"
    assert (
        ended.stdout == "postgresql-curved-1 is attached as LEGACY_URL. The database still runs on the same server.\n"
    )


def test_a_renewed_address_is_said_to_be_one(typed: Keyboard, plane: Plane) -> None:
    plane.answers[PATH] = DONE | {"was_known": True}
    ended = typed("pg:adopt", SOURCE, "-a", "shop", "--as", "LEGACY")

    assert "Adopting a database on shop... address renewed" in ended.stderr
    assert "LEGACY_URL has the new address of postgresql-curved-1" in ended.stdout


def test_an_attachment_is_replaced_once_the_app_is_named(typed: Keyboard, plane: Plane) -> None:
    asks = Reply({"id": "confirmation_required", "message": "Adding LEGACY", "what": "Adding LEGACY"}, 423)
    plane.answers[PATH] = Turns([asks, DONE])

    assert typed("pg:adopt", SOURCE, "-a", "shop", "--as", "LEGACY").exit_code == 2
    assert typed("pg:adopt", SOURCE, "-a", "shop", "--as", "LEGACY", "--confirm", "shop").exit_code == 0
    assert [body.get("confirm") for body in plane.sent(PATH)] == [None, "shop"]


def test_what_people_do_with_an_adopted_database(
    control_plane: ControlPlane, things: Things, elsewhere: Elsewhere
) -> None:
    plane, app = control_plane, things.app()
    plane.environment["OLD_ONE"] = elsewhere.url
    name = plane.must("pg:adopt", "env:OLD_ONE", "-a", app, "--as", "LEGACY", "--json").json["addon"]["name"]

    assert "100\n" in plane.must("pg:psql", "LEGACY", "-a", app, "-c", "SELECT count(*) FROM orders").stdout
    url = plane.must("config:get", "LEGACY_URL", "-a", app).stdout.strip()
    file = Path(unquote(url.rpartition("sslrootcert=")[2]))
    assert (url, file.is_relative_to(plane.home)) == (elsewhere.url_with(sslrootcert=str(file)), True)
    assert file.read_text() == elsewhere.database.authority.read_text()
    assert f"Connection URL:\n  {url}\n" in plane.must("pg:credentials:url", "LEGACY", "-a", app).stdout
    info = plane.must("pg:info", "-a", app).stdout
    assert " ".join(info.split()).startswith("=== LEGACY_URL Plan: External Status: Available Data Size: ")
    assert f"to DATABASE_URL on {app}... done" in plane.must("pg:promote", "LEGACY", "-a", app).stderr.replace("⬢ ", "")
    assert plane.must("config:get", "DATABASE_URL", "-a", app).stdout == f"{url}\n"
    assert "free" in plane.must("addons:info", name, "-a", app).stdout
    again = plane.typed("pg:adopt", "env:OLD_ONE", "-a", app)
    assert (again.exit_code, f"already adopted as {name} of {app}" in again.stderr) == (1, True)
    gone = plane.must("addons:destroy", name, "-a", app, "--confirm", app)
    assert f"{name} was only removed from changeover" in " ".join(gone.stderr.split())
    assert elsewhere.ask("SELECT count(*) FROM public.orders") == [(100,)]


def test_psql_checks_the_certificate_as_the_address_asks(
    control_plane: ControlPlane, things: Things, elsewhere: Elsewhere
) -> None:
    plane, app = control_plane, things.app()
    plane.environment["OLD_ONE"] = elsewhere.url
    plane.must("pg:adopt", "env:OLD_ONE", "-a", app, "--as", "LEGACY")
    url = plane.must("config:get", "LEGACY_URL", "-a", app).stdout.strip()
    Path(unquote(url.rpartition("sslrootcert=")[2])).unlink()

    asked = plane.typed("pg:psql", "LEGACY", "-a", app, "-c", "SELECT 1")

    assert asked.exit_code == 1
    assert "root certificate file" in asked.stderr
