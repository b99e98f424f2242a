"""What libpq, its programs and asyncpg are told of a location; and that nothing else about them comes from here."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import Conninfo
from tests.engines.fix_host import ask
from tests.fix_provider import Elsewhere

from changeover.engines.local import CertificateAuthority
from changeover.errors.elsewhere import AddressNotAllowed, NotTrusted
from changeover.hosts.network import Reach
from changeover.postgres.connect import fetch_row
from changeover.postgres.installations import newest_with_tls
from changeover.postgres.libpq import addresses_of, told
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach
from changeover.postgres.running import run_client
from changeover.postgres.snapshot.reader import connect_reader

POISON = {
    "host": "/nonexistent", "hostaddr": "192.0.2.1", "port": "1", "user": "nobody", "password": "wrong", "dbname": "nowhere",
    "options": "-c no_such_setting=1", "sslcert": "/etc/passwd", "sslkey": "/etc/passwd", "sslrootcert": "/etc/passwd",
    "sslcrl": "/etc/passwd", "sslcrldir": "/etc", "requirepeer": "nobody", "require_auth": "gss", "gssencmode": "require",
    "target_session_attrs": "standby", "passfile": "/etc/passwd", "channel_binding": "disable", "sslmode": "disable",
    "sslnegotiation": "direct", "sslsni": "0", "load_balance_hosts": "random", "krbsrvname": "x", "gssdelegation": "1",
    "ssl_max_protocol_version": "TLSv1.2", "application_name": "poisoned", "sslcompression": "1",
}  # fmt: skip


@pytest.fixture
def poisoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable that libpq reads, and a home whose certificates don't fit."""
    for one in Conninfo.get_defaults():
        if one.envvar is not None and one.keyword.decode() in POISON:
            monkeypatch.setenv(one.envvar.decode(), POISON[one.keyword.decode()])
    folder = tmp_path / ".postgresql"
    folder.mkdir()
    stranger = CertificateAuthority(tmp_path / "ca").ensure()
    for name in ("root.crt", "root.crl", "postgresql.crt", "postgresql.key"):
        (folder / name).write_text(stranger.read_text() if name == "root.crt" else "not a certificate")
        (folder / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))


def weaker(elsewhere: Elsewhere) -> Location:
    """Encrypted, without an authority: where libpq would take one from the home."""
    return elsewhere.location.with_(sslmode="require", sslrootcert=None)


@pytest.mark.parametrize("is_verified", [True, False])
async def test_no_variable_and_no_file_of_the_system_user_has_a_say(
    elsewhere: Elsewhere, poisoned: None, is_verified: bool
) -> None:
    location = elsewhere.location if is_verified else weaker(elsewhere)
    psql = newest_with_tls().bin_directory / "psql"

    async with reach(location) as connection:
        assert await fetch_row(connection, "SELECT current_user, current_database()") == (
            location.user,
            location.database,
        )
        assert connection.pgconn.ssl_in_use
    reader = await connect_reader(location, "a test")
    assert await reader.fetchval("SELECT current_database()") == location.database
    await reader.close()
    assert (await run_client([psql, "-XAtc", "SELECT current_user"], location)).decode().strip() == location.user


async def test_a_program_and_asyncpg_check_the_certificate_that_was_given_as_text(
    elsewhere: Elsewhere, tmp_path: Path
) -> None:
    stranger = elsewhere.location.with_(sslrootcert=CertificateAuthority(tmp_path).ensure().read_text())

    with pytest.raises(NotTrusted):
        async with reach(stranger):
            pass
    with pytest.raises(OSError, match="certificate verify failed"):
        await connect_reader(stranger, "a test")


async def test_asyncpg_expects_the_name_that_was_given_and_not_the_address(elsewhere: Elsewhere) -> None:
    by_name = elsewhere.location.with_(host="localhost")

    with pytest.raises(OSError, match="localhost"):
        await connect_reader(by_name, "a test")
    reader = await connect_reader(by_name.with_(sslmode="verify-ca"), "a test")
    await reader.close()


async def test_no_certificate_is_left_on_a_disk_or_open(elsewhere: Elsewhere) -> None:
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - of names, at once

    with told(elsewhere.location, await addresses_of(elsewhere.location)) as wanted:
        path = Path(wanted.parameters["sslrootcert"])
        assert path.read_text() == elsewhere.database.authority.read_text()
        assert path.readlink().name.startswith("memfd:")
        assert path.stat().st_mode & 0o777 == 0o400

    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


async def test_what_a_name_leads_to_is_checked_for_every_connection(elsewhere: Elsewhere) -> None:
    """A name that leads to another place than yesterday is judged by today's."""
    location = Location({**weaker(elsewhere).parameters, "host": "localhost"}, Reach.PUBLIC)
    psql = newest_with_tls().bin_directory / "psql"

    with pytest.raises(AddressNotAllowed):
        async with reach(location):
            pass
    with pytest.raises(AddressNotAllowed):
        await connect_reader(location, "a test")
    with pytest.raises(AddressNotAllowed):
        await run_client([psql, "-c", "SELECT 1"], location)


@pytest.mark.parametrize("name", ["host=/nonexistent dbname=postgres", "postgres://nobody@127.0.0.1:1/x"])
async def test_no_driver_and_no_program_reads_a_name_as_an_address(elsewhere: Elsewhere, name: str) -> None:
    server = elsewhere.database.server
    await ask(server, f'CREATE DATABASE "{name}"')
    location = weaker(elsewhere).with_(dbname=name)
    tools = newest_with_tls().bin_directory
    try:
        async with reach(location) as connection:
            assert await fetch_row(connection, "SELECT current_database()") == (name,)
        reader = await connect_reader(location, "a test")
        assert await reader.fetchval("SELECT current_database()") == name
        await reader.close()
        assert (
            await run_client([tools / "psql", "-XAtc", "SELECT current_database()"], location)
        ).decode().strip() == name
        assert b"PostgreSQL database dump" in await run_client([tools / "pg_dump"], location)
        with psycopg.connect(location.url) as session:
            assert session.info.dbname == name
    finally:
        await ask(server, f'DROP DATABASE "{name}" WITH (FORCE)')
