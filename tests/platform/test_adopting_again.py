"""A database that is an add-on already: refused as a second one, renewed under its own name."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import httpx2
from tests.fix_control_plane import ControlPlane, url_of
from tests.fix_provider import Elsewhere, Provider, adopt, adopted, error_of, kept
from tests.fix_things import Things, rows_of, unique

from changeover.engines.local import CertificateAuthority


def test_the_same_database_by_another_name_is_refused(things: Things, api: httpx2.Client, elsewhere: Elsewhere) -> None:
    app, other = things.app(), things.app()
    name = adopted(api, app, elsewhere.url, **{"as": "LEGACY"})
    by_name = elsewhere.url_with(host="localhost", sslmode="require", sslrootcert=None)

    for source in (elsewhere.url, by_name):
        refused = adopt(api, other, source)
        assert error_of(refused) == (422, "already_adopted")
        assert f"changeover addons:attach {name}" in refused.json()["fix"]
        assert f"-a {app} --as LEGACY" in refused.json()["fix"]


def test_who_may_not_see_it_is_not_told_whose_it_is(things: Things, api: httpx2.Client, elsewhere: Elsewhere) -> None:
    app = things.app()
    name = adopted(api, app, elsewhere.url)
    with things.plane.client(things.token_for(f"{unique('dev')}@example.com")) as theirs:
        mine = theirs.post("/apps", json={"name": unique("shop")}).json()["name"]
        refused = adopt(theirs, mine, elsewhere.url_with(sslmode="require", sslrootcert=None))

    assert error_of(refused) == (422, "already_adopted")
    assert name not in refused.text
    assert app not in refused.text


def test_two_databases_of_one_server_are_two(
    things: Things, api: httpx2.Client, provider: Provider, elsewhere: Elsewhere
) -> None:
    app = things.app()

    assert adopted(api, app, elsewhere.url) != adopted(api, app, provider.database().url)


def test_a_database_of_ours_is_not_adopted(control_plane: ControlPlane, things: Things, api: httpx2.Client) -> None:
    app = things.app()
    name = things.database(app)["name"]
    url = url_of(control_plane, app)

    for source in (url, url.replace("127.0.0.1", "localhost"), name):
        refused = adopt(api, app, source)
        assert error_of(refused) == (422, "already_adopted")
        assert f"{name}, which runs here" in refused.json()["what"]


def test_the_same_again_under_its_name_renews_the_password_of_every_app(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, elsewhere: Elsewhere
) -> None:
    app, other = things.app(), things.app()
    name = adopted(api, app, elsewhere.url, **{"as": "LEGACY"})
    api.post("/addon-attachments", json={"addon": name, "app": other, "name": "BORROWED"})
    fresh = elsewhere.with_password("renewed/with:signs@")
    assert "password authentication failed" in rows_of(things.info(name))["Status"]

    renewed = adopt(api, app, fresh.url, **{"as": "LEGACY"})

    assert (renewed.status_code, renewed.json()["addon"]["name"]) == (200, name)
    assert rows_of(things.info(name))["Status"] == "Available"
    assert url_of(control_plane, app, "LEGACY_URL") == url_of(control_plane, other, "BORROWED_URL") == fresh.url
    last = [api.get(f"/apps/{each}/releases").json()[-1]["description"] for each in (app, other)]
    assert last == [f"Update LEGACY (@ref:{name})", f"Update BORROWED (@ref:{name})"]
    releases = kept(control_plane)[5]
    assert adopt(api, app, fresh.url, **{"as": "LEGACY"}).status_code == 200
    assert kept(control_plane)[5] == releases


def test_another_address_of_the_same_server_is_renewed_too(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, elsewhere: Elsewhere
) -> None:
    app = things.app()
    adopted(api, app, elsewhere.url, **{"as": "LEGACY"})
    by_name = elsewhere.with_password("renewed").url_with(host="localhost", sslmode="require", sslrootcert=None)

    assert adopt(api, app, by_name, **{"as": "LEGACY"}).status_code == 200
    assert url_of(control_plane, app, "LEGACY_URL") == by_name


def test_a_renewal_changes_no_file_that_an_app_may_still_read(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    app, authority = things.app(), elsewhere.database.authority.read_text()
    adopted(api, app, elsewhere.url_with(sslrootcert=authority), **{"as": "LEGACY"})
    files = [authority_file(control_plane, app)]

    for further in ("first", "second"):
        both = f"{authority}{CertificateAuthority(tmp_path / further).ensure().read_text()}"
        assert adopt(api, app, elsewhere.url_with(sslrootcert=both), **{"as": "LEGACY"}).status_code == 200
        files.append(authority_file(control_plane, app))
        assert files[-1].read_text().split() == both.split()
        if further == "first":
            assert files[0].read_text().split() == authority.split()

    assert len(set(files)) == 3
    assert [file.exists() for file in files] == [False, True, True]


def test_what_can_not_be_adopted_leaves_no_certificate(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, provider: Provider, elsewhere: Elsewhere
) -> None:
    app = things.app()
    adopted(api, app, elsewhere.url, **{"as": "LEGACY"})
    before = sorted((control_plane.home / "certificates").rglob("*"))
    other = provider.database()
    source = other.url_with(sslrootcert=other.database.authority.read_text())

    assert error_of(adopt(api, app, source, **{"as": "LEGACY"})) == (423, "confirmation_required")
    assert sorted((control_plane.home / "certificates").rglob("*")) == before


def authority_file(plane: ControlPlane, app: str) -> Path:
    return Path(unquote(url_of(plane, app, "LEGACY_URL").rpartition("sslrootcert=")[2]))


def test_a_name_that_another_database_has_needs_the_apps_name(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, provider: Provider, elsewhere: Elsewhere
) -> None:
    app = things.app()
    first = adopted(api, app, elsewhere.url, **{"as": "LEGACY"})
    api.post("/addon-attachments", json={"addon": first, "app": app, "name": "KEPT"})
    second = provider.database()
    before = kept(control_plane)

    assert error_of(adopt(api, app, second.url, **{"as": "LEGACY"})) == (423, "confirmation_required")
    assert kept(control_plane) == before
    adopted(api, app, second.url, **{"as": "LEGACY", "confirm": app})

    assert url_of(control_plane, app, "LEGACY_URL") == second.url
    assert url_of(control_plane, app, "KEPT_URL") == elsewhere.url
