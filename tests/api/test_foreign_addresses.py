"""Every door that takes an address of a user, and every way out that an address has had or could have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.api.test_transfers import ended
from tests.engines.fix_host import ask
from tests.fix_control_plane import ControlPlane, connect, running_plane, url_of, wait_until
from tests.fix_provider import Elsewhere, Provider, adopt, adopted, error_of
from tests.fix_things import ESSENTIAL, Things, rows_of, unique

from changeover.engines.local import CertificateAuthority
from changeover.postgres.location import Location
from changeover.service.places import Places


@dataclass
class Account:
    """Not the operator; owns an app with a database."""

    api: httpx2.Client
    app: str
    database: str
    url: str


@pytest.fixture(scope="module")
def account(control_plane: ControlPlane) -> Iterator[Account]:
    with control_plane.client() as operator:
        things = Things(control_plane, operator)
        with control_plane.client(things.token_for(f"{unique('dev')}@example.com")) as api:
            theirs = Things(control_plane, api)
            app = theirs.app()
            database = theirs.database(app, ESSENTIAL)["id"]
            url = api.get(f"/apps/{app}/config-vars").json()["DATABASE_URL"]
            yield Account(api, app, database, url)
            theirs.remove_all()


Door = Callable[[Account, str], httpx2.Response]


def post(account: Account, path: str, **body: Any) -> httpx2.Response:
    return account.api.post(path, json=body)


def copy(account: Account, source: str, target: str) -> httpx2.Response:
    path = f"/client/v11/databases/{account.database}/transfers"
    return post(account, path, from_name="A", from_url=source, to_name="B", to_url=target)


OURS = "/changeover/v1"
DOORS: dict[str, Door] = {
    "check SOURCE": lambda who, bad: post(who, f"{OURS}/checks", source=bad, sample_s=0),
    "check TARGET": lambda who, bad: post(who, f"{OURS}/checks", source=who.url, target=bad, sample_s=0),
    "migrate SOURCE": lambda who, bad: post(who, f"{OURS}/migrations", source=bad, target=who.url),
    "migrate TARGET": lambda who, bad: post(who, f"{OURS}/migrations", source=who.url, target=bad),
    "migrate --abort": lambda who, bad: post(who, f"{OURS}/migrations/actions/abort", source=bad, target=who.url),
    "migrate --plan": lambda who, bad: post(who, f"{OURS}/migrations/actions/plan", source=bad, target=who.url),
    "migrate, again": lambda who, bad: post(who, f"{OURS}/migrations/actions/find", source=who.url, target=bad),
    "verify SOURCE": lambda who, bad: post(who, f"{OURS}/verifications", source=bad, target=who.url),
    "verify TARGET": lambda who, bad: post(who, f"{OURS}/verifications", source=who.url, target=bad),
    "pg:adopt": lambda who, bad: post(who, f"{OURS}/apps/{who.app}/adopted-databases", source=bad),
    "pg:copy SOURCE": lambda who, bad: copy(who, bad, who.url),
    "pg:copy TARGET": lambda who, bad: copy(who, who.url, bad),
}


def hostile(plane: ControlPlane, there: Elsewhere, file: Path) -> dict[str, str]:
    """Each leads to a real server, as far as it leads anywhere."""
    state = Places(plane.home).state_sockets
    assert list(state.glob(".s.PGSQL.*")), "the socket of our state is where this test looks for it"
    control = there.database.server.socket_directory
    plain = there.url_with(sslmode="require", sslrootcert=None)
    given = {**there.location.parameters, "sslmode": "require"}
    del given["sslrootcert"]
    return {
        "our state's socket": f"host={state} user=changeover dbname=changeover",
        "our state's socket in a URL": f"postgres://changeover@{quote(str(state), safe='')}/changeover",
        "a control socket": f"host={control} port={there.location.port} user=changeover dbname=postgres",
        "a control socket behind a host": f"{plain}&host={quote(str(control))}",
        "a host and a socket": make_conninfo("", **{**given, "host": f"{there.location.host},{control}"}),
        "a socket as hostaddr": f"{plain}&hostaddr={quote(str(control))}",
        "an empty hostaddr": f"{plain}&hostaddr=",
        "another hostaddr": f"{plain}&hostaddr=127.0.0.1",
        "no host": make_conninfo("", **{**given, "host": ""}),
        "an abstract socket": make_conninfo("", **{**given, "host": "@state"}),
        "a file for TLS secrets": f"{plain}&sslkeylogfile={quote(str(file))}",
        "a folder of revocation lists": f"{plain}&sslcrldir={quote(str(file.parent))}",
        "a service": f"{plain}&service=any",
        "a password file": f"{plain}&passfile={quote(str(file))}",
        "options": f"{plain}&options=-csearch_path%3Devil",
        "a Kerberos library": f"{plain}&gsslib=gssapi",
        "an issuer of tokens": f"{plain}&oauth_issuer=http%3A%2F%2F127.0.0.1%3A1&oauth_client_id=x",
        "metadata of a cloud": "postgres://u@169.254.169.254:80/d",
        "the same in IPv6": "postgres://u@[::ffff:169.254.169.254]:80/d",
        "every address": f"postgres://u@0.0.0.0:{there.location.port}/d",
        "a number for 127.0.0.1": "postgres://u@2130706433/d",
        "a port out of range": "postgres://u@127.0.0.1:99999999999/d",
        "NUL": "postgres://u@127.0.0.1/d%00x",
    }  # fmt: skip


def states(plane: ControlPlane) -> list[Any]:
    """What a request that was let through would have left."""
    with plane.state() as state:
        return [state.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("runs", "transfers", "servers")]


@pytest.mark.parametrize("door", DOORS)
def test_no_door_leads_out(
    control_plane: ControlPlane, account: Account, elsewhere: Elsewhere, tmp_path: Path, door: str
) -> None:
    """422 in our error shape, at once, and nothing has been read, written or begun."""
    file = tmp_path / "written"
    before = states(control_plane)

    for kind, address in hostile(control_plane, elsewhere, file).items():
        refused = DOORS[door](account, address)
        assert refused.status_code == 422, f"{kind}: {refused.status_code} {refused.text}"
        assert refused.json()["id"] in ("bad_address", "address_not_allowed"), kind
        assert {"message", "what", "why", "fix"} <= set(refused.json())
        assert elsewhere.database.owner.password not in refused.text

    assert not file.exists()
    assert states(control_plane) == before


@pytest.mark.parametrize("door", ["check SOURCE", "migrate TARGET", "verify SOURCE", "pg:adopt", "pg:copy SOURCE"])
def test_not_even_the_operator_names_a_socket_or_a_file_to_write(
    control_plane: ControlPlane, account: Account, elsewhere: Elsewhere, tmp_path: Path, door: str
) -> None:
    file = tmp_path / "written"
    with control_plane.client() as api:
        operator = Account(api, account.app, account.database, account.url)
        for kind, address in hostile(control_plane, elsewhere, file).items():
            if kind not in ("metadata of a cloud", "the same in IPv6", "every address"):
                assert error_of(DOORS[door](operator, address)) == (422, "bad_address"), kind

    assert not file.exists()


@pytest.mark.parametrize("door", ["check SOURCE", "verify TARGET", "pg:adopt", "pg:copy SOURCE"])
def test_an_account_names_no_file_of_this_host(account: Account, elsewhere: Elsewhere, door: str) -> None:
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
        for path in (str(elsewhere.database.authority), "/etc/shadow", "relative.crt"):
            address = elsewhere.url_with(sslrootcert=None, sslmode="require") + f"&{name}={quote(path, safe='')}"
            refused = DOORS[door](account, address)
            assert refused.status_code in (403, 422), refused.text
            assert "root:" not in refused.text


def test_certificates_are_uploaded_as_text_and_their_file_is_there_for_the_app_alone_as_long_as_it_is_adopted(
    control_plane: ControlPlane, account: Account, elsewhere: Elsewhere
) -> None:
    name = adopted(account.api, account.app, elsewhere.location.url, **{"as": "WITH_CA"})

    url = url_of(control_plane, account.app, "WITH_CA_URL")
    with psycopg.connect(url) as session:  # libpq checks the server's name and its authority
        assert session.execute("SELECT count(*) FROM orders").fetchone() == (100,)
    file = Path(parse_qs(urlsplit(url).query)["sslrootcert"][0])
    assert file.read_text() == elsewhere.database.authority.read_text()
    assert file.is_relative_to(control_plane.home)
    assert file.stat().st_mode & 0o777 == 0o644
    bundle = elsewhere.database.authority.read_text() * 250  # as large as a provider's
    checked = DOORS["check SOURCE"](account, elsewhere.location.with_(sslrootcert=bundle).url)
    assert checked.status_code == 200, checked.text

    assert account.api.request("DELETE", f"/apps/{account.app}/addons/{name}", json={}).status_code == 200
    assert not file.parent.exists()


def test_an_authority_that_was_uploaded_and_did_not_sign_it_is_no_proof(
    account: Account, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    stranger = CertificateAuthority(tmp_path).ensure().read_text()

    refused = adopt(account.api, account.app, elsewhere.location.with_(sslrootcert=stranger).url)

    assert error_of(refused) == (422, "not_trusted")


STRANGE = "host=/nonexistent dbname=postgres sslkeylogfile=/tmp/x"


def test_a_database_whose_name_is_a_connection_string_is_copied_moved_and_compared_by_that_name(
    control_plane: ControlPlane, account: Account, provider: Provider
) -> None:
    """Through psycopg, asyncpg, pg_dump and pg_restore: none of them reads the name as an address."""
    there = provider.database()
    server, name = there.database.server, there.database.name
    asyncio.run(ask(server, f'ALTER DATABASE "{name}" RENAME TO "{STRANGE}"'))
    source = Location({**there.location.parameters, "dbname": STRANGE}).url
    empty = provider.database()
    target = empty.location
    empty.ask("DROP TABLE public.orders")

    began = copy(account, source, account.url)
    assert began.status_code == 201, began.text
    done = ended(account.api, account.app, began.json())
    moved = settled(account, post(account, f"{OURS}/migrations", source=source, target=target.url), "migrations")
    equal = settled(account, post(account, f"{OURS}/verifications", source=source, target=target.url), "verifications")

    assert done["succeeded"], done["logs"]
    with connect(account.url) as session:
        assert session.execute("SELECT count(*) FROM orders").fetchone() == (100,)
    assert moved["status"] == "done", moved
    assert (equal["status"], equal["report"]["differences"]) == ("done", []), equal
    assert not Path("/tmp/x").exists()


def settled(account: Account, begun: httpx2.Response, what: str) -> dict[str, Any]:
    assert begun.status_code == 201, begun.text

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = account.api.get(f"{OURS}/{what}/{begun.json()['id']}").json()
        assert not found.get("stopped"), found
        return found if found["finished_at"] else None

    found: dict[str, Any] = wait_until(look, what=f"the end of {what}", timeout_s=60)
    return found


# -- addresses of the web

BACKUPS = (
    "file:///etc/passwd", "s3://backups/any", "http://example.com/a.dump", "ftp://example.com/a", "http://127.evil/a",
    "http://127.0.0.1.evil.example/a", "http://2130706433/a", "http://0x7f.1/a", "http://[::1", "https:///a", "https://",
    "https://a:0/x", "https://a:99999/x", "https://a b/x", "https://169.254.169.254/latest/meta-data",
    "https://[::ffff:169.254.169.254]/", "https://0.0.0.0/a", "http://169.254.169.254/", "gopher://127.0.0.1/x", "data:,x",
    "https://a/\n", "jar:https://a!/x", "//127.0.0.1/x", "https://127.0.0.1%2f@169.254.169.254/",
)  # fmt: skip


def test_a_restore_reads_from_the_web_only_and_only_where_accounts_may_go(
    control_plane: ControlPlane, account: Account
) -> None:
    before = states(control_plane)

    for url in BACKUPS:
        refused = post(account, f"/client/v11/databases/{account.database}/restores", backup_url=url)
        assert refused.status_code == 422, f"{url}: {refused.status_code} {refused.text}"
        assert refused.json()["id"] in ("invalid_params", "address_not_allowed"), url

    assert states(control_plane) == before


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://169.254.169.254/page", "can't be used here"),
        ("http://example.com/page", "must be https"),
        ("http://127.evil/page", "must be https"),
        ("file:///etc/passwd", "must begin with https"),
    ],
)
def test_a_page_is_not_fetched_from_where_accounts_may_not_go_even_when_the_operator_turns_it_on(
    control_plane: ControlPlane, account: Account, url: str, says: str
) -> None:
    account.api.patch(f"/apps/{account.app}/config-vars", json={"MAINTENANCE_PAGE_URL": url})
    with control_plane.client() as operator:
        turned_on = operator.patch(f"/apps/{account.app}", json={"maintenance": True})
        operator.patch(f"/apps/{account.app}", json={"maintenance": False})

    assert says in turned_on.headers["x-heroku-warning"]


# -- what the operator can forbid


def test_a_setting_keeps_accounts_from_private_addresses_and_not_the_operator(elsewhere: Elsewhere) -> None:
    """What the operator adopted stays in use; what an account named before is checked when it is used."""
    for plane in running_plane(CHANGEOVER_FOREIGN_ADDRESSES="public"):
        with plane.client() as api:
            things = Things(plane, api)
            app = things.app()
            name = adopted(api, app, elsewhere.url)
            assert rows_of(things.info(name))["Status"] == "Available"
            with plane.client(things.token_for("dev@example.com")) as theirs:
                mine = theirs.post("/apps", json={"name": unique("shop")}).json()["name"]
                for host in (elsewhere.location.host, "localhost"):
                    refused = adopt(theirs, mine, elsewhere.location.with_(host=host).url)
                    assert error_of(refused) == (422, "address_not_allowed"), host
                    assert "CHANGEOVER_FOREIGN_ADDRESSES" in refused.json()["why"]
                checked = theirs.post(f"{OURS}/checks", json={"source": elsewhere.location.url, "sample_s": 0})
                assert error_of(checked) == (422, "address_not_allowed")
