"""A database that somebody else runs, asked by its owner's login; the server plays a provider that knows nothing of us."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.engines.fix_host import Database, Host, ask, until

from changeover.engines.engine import Credential, Server
from changeover.engines.external import ExternalDatabase, identify
from changeover.engines.local import CertificateAuthority
from changeover.engines.reading import OnOurServer, Reading
from changeover.errors import ServerUnreachable
from changeover.postgres.location import Location


def location_of(database: Database, **changed: str) -> Location:
    server, owner = database.server, database.owner
    return Location(
        {
            "host": server.address, "port": str(server.port), "dbname": database.name,
            "user": owner.user, "password": owner.password,
            "sslmode": "verify-full", "sslrootcert": database.authority.read_text(),
        }
        | changed
    )  # fmt: skip


@pytest.fixture
async def fresh(host: Host, leader: Server) -> AsyncIterator[Database]:
    """A database of the test's own."""
    made = await host.new_database(leader)
    yield made
    await host.engine.drop_database(leader, made.name, made.owner.user)


async def test_both_kinds_of_server_say_the_same_of_a_database(host: Host, fresh: Database) -> None:
    await ask(fresh.server, "CREATE TABLE public.orders (id int); CREATE VIEW public.v AS SELECT 1", fresh.name)
    ours: Reading = OnOurServer(host.engine, fresh.server, fresh.name)
    theirs: Reading = ExternalDatabase(location_of(fresh))
    with fresh.connect(), fresh.connect():
        assert (await ours.facts()).connections == 2
        facts = await theirs.facts()
        assert facts == await ours.facts()
    assert (facts.tables, facts.version.split(".")[0]) == (1, str(host.installation.version[0]))
    assert await theirs.health() == await ours.health()


async def test_our_own_looks_are_not_counted_as_connections(fresh: Database) -> None:
    assert (await ExternalDatabase(location_of(fresh)).facts()).connections == 0


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"password": "wrong-secret"}, "password authentication failed"),
        ({"dbname": "nowhere"}, "nowhere"),
        ({"port": "1"}, "Connection refused"),
        ({"host": "localhost"}, "does not match host name"),
    ],
)
async def test_why_one_does_not_answer_is_its_health_and_no_secret(
    fresh: Database, changed: dict[str, str], why: str
) -> None:
    theirs = ExternalDatabase(location_of(fresh, **changed))

    health = await theirs.health()

    assert (health.state, health.is_in_recovery) == ("failed", None)
    assert why in health.because
    with pytest.raises(ServerUnreachable) as refused:
        await theirs.facts()
    assert why in refused.value.why
    assert fresh.owner.password not in refused.value.message
    assert "wrong-secret" not in refused.value.message


async def test_a_server_with_another_authority_is_not_believed(fresh: Database, tmp_path: Path) -> None:
    stranger = CertificateAuthority(tmp_path).ensure()

    health = await ExternalDatabase(location_of(fresh, sslrootcert=stranger.read_text())).health()

    assert "certificate verify failed" in health.because


async def test_a_server_that_hangs_is_waited_for_only_so_long(host: Host) -> None:
    server = await host.new_server()
    database = await host.new_database(server)
    postmaster = int((server.data_directory / "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGSTOP)
    try:
        health = await ExternalDatabase(location_of(database), patience_s=0.3).health()
    finally:
        os.kill(postmaster, signal.SIGCONT)
    assert health.because == "It did not answer within 0.3 seconds."


async def test_only_sessions_of_roles_whose_rights_it_has_are_ended(host: Host, fresh: Database) -> None:
    other = Credential("u_of_somebody_else", "another-password")
    await ask(fresh.server, f"CREATE ROLE {other.user} LOGIN PASSWORD '{other.password}'")
    await ask(fresh.server, f"GRANT CONNECT ON DATABASE {fresh.name} TO {other.user}")
    with fresh.connect() as mine, fresh.connect(user=other.user, password=other.password) as theirs:
        assert await ExternalDatabase(location_of(fresh)).end_sessions() == 1

        async def is_ended() -> bool:
            mine_left = f"SELECT FROM pg_stat_activity WHERE pid = {mine.info.backend_pid}"
            return not await ask(fresh.server, mine_left)

        await until(is_ended)
        assert theirs.execute("SELECT 1").fetchone() == (1,)
    await ask(fresh.server, f"REVOKE ALL ON DATABASE {fresh.name} FROM {other.user}")
    await ask(fresh.server, f"DROP ROLE {other.user}")


async def test_one_server_is_the_same_by_two_names_and_its_copy_is_another(
    host: Host, leader: Server, follower: Server, database: Database
) -> None:
    by_address = await identify(location_of(database))
    by_name = await identify(location_of(database, host="localhost", sslmode="require"))
    copy = await identify(location_of(database, port=str(follower.port)))

    assert by_address == by_name
    assert (by_address.address, by_address.port) == (leader.address, leader.port)
    assert copy.system_identifier == by_address.system_identifier
    assert copy.started_at != by_address.started_at
