"""Who gets in, how, and what they may do there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from tests.engines.fix_host import SMALL, Database, Host, ask

from changeover.engines.engine import Credential, Server, Size
from changeover.postgres.installations import Installation, find_installations


async def test_the_owner_comes_in_over_verified_tls(each_host: Host) -> None:
    server = await each_host.new_server()
    database = await each_host.new_database(server)
    with database.connect() as session:
        row = session.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    assert row == (True, "TLSv1.3")


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"password": "wrong"}, "password authentication failed"),
        ({"password": None}, "no password supplied"),
        ({"sslmode": "disable"}, "no pg_hba.conf entry .* no encryption"),
        ({"dbname": "postgres"}, "permission denied for database"),
        ({"dbname": "template1"}, "permission denied for database"),
        ({"user": "changeover", "password": "any"}, "pg_hba.conf rejects"),
        ({"replication": "true"}, "no pg_hba.conf entry for replication"),
        ({"host": "localhost"}, 'certificate .* does not match host name "localhost"'),
    ],
)
def test_nobody_comes_in_otherwise(database: Database, changed: dict[str, object], refusal: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=refusal):
        database.connect(**changed)


async def test_owners_on_a_shared_server_cannot_meet(host: Host, leader: Server, database: Database) -> None:
    other = await host.new_database(leader)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        database.connect(dbname=other.name)


async def test_sharing_a_server_gives_no_view_of_the_neighbours(host: Host, leader: Server) -> None:
    guest = Database(leader, "guests", Credential("guest", "secret"), host.authority.ensure())
    await host.engine.create_database(leader, guest.name, guest.owner, connection_limit=2)
    with guest.connect() as session, guest.connect():
        rights = session.execute("SELECT pg_has_role('pg_read_all_stats', 'member')").fetchone()
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            guest.connect()
        session.execute("SELECT _heroku.pg_stat_statements_reset()")
    assert rights == (False,)


def test_the_owner_of_a_server_has_what_the_official_cli_needs(database: Database) -> None:
    with database.connect() as owner:
        owner.execute("CREATE TABLE orders (id int)")
        rights = owner.execute(
            "SELECT rolsuper, rolreplication, rolcreaterole, pg_has_role('pg_monitor', 'member'),"
            " pg_has_role('pg_signal_backend', 'member') FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        owner.execute("SELECT count(*) FROM public.pg_stat_statements")
        owner.execute("SELECT public.pg_stat_statements_reset(), _heroku.pg_stat_statements_reset()")
        offered = owner.execute(
            "SELECT name FROM pg_available_extensions"
            " WHERE name IN (SELECT unnest(string_to_array(current_setting('extwlist.extensions'), ',')))"
        ).fetchall()
    assert rights == (False, False, False, True, True)
    assert {("pg_stat_statements",), ("pgcrypto",), ("hstore",)} <= set(offered)


async def test_no_password_reaches_the_log_of_the_server(host: Host) -> None:
    server = await host.new_server()
    await ask(server, "ALTER SYSTEM SET log_statement = 'all'")
    await host.engine.stop(server)
    await host.engine.start(server)
    database = await host.new_database(server)
    await host.engine.stop(server)
    said = "".join(path.read_text() for path in (server.data_directory.parent / "log").iterdir())
    assert database.owner.user in said
    assert database.owner.password not in said


async def test_a_database_can_be_made_twice_and_dropped_twice(host: Host, leader: Server) -> None:
    database = await host.new_database(leader)
    await host.engine.create_database(leader, database.name, database.owner)
    with database.connect() as session:
        session.execute("SELECT 1")
        for _ in range(2):
            await host.engine.drop_database(leader, database.name, database.owner.user)
    assert await ask(leader, f"SELECT FROM pg_roles WHERE rolname = '{database.owner.user}'") == []


async def test_databases_can_be_made_at_the_same_time(host: Host, leader: Server) -> None:
    made = await asyncio.gather(*(host.new_database(leader) for _ in range(6)))
    for database in made:
        with database.connect() as session:
            session.execute("CREATE TABLE orders (id int)")


async def test_names_are_quoted(host: Host, leader: Server) -> None:
    strange = Credential('ro"le; DROP', "pass'word")
    await host.engine.create_database(leader, 'data"base; --', strange)
    database = Database(leader, 'data"base; --', strange, host.authority.ensure())
    with database.connect() as session:
        assert session.execute("SELECT current_user").fetchone() == (strange.user,)
    await host.engine.drop_database(leader, database.name, strange.user)


async def test_facts_describe_the_database(host: Host, leader: Server) -> None:
    database = await host.new_database(leader)
    with database.connect() as writer, database.connect():
        writer.execute("CREATE TABLE one (id int)")
        writer.execute("BEGIN; INSERT INTO one VALUES (1)")
        facts = await host.engine.facts(leader, database.name)
    assert (facts.tables, facts.connections, facts.writing_backends, facts.max_connections) == (1, 2, 1, 20)
    assert facts.data_bytes > 1_000_000
    assert facts.version == ".".join(map(str, host.installation.version))


PLAIN = [one for one in find_installations() if not one.has_tls]


@pytest.fixture(params=PLAIN, ids=lambda one: f"wheel-{one.version[0]}")
def plain_host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A PostgreSQL without TLS."""
    installation: Installation = request.param
    host = Host(installation)
    yield host
    asyncio.run(host.close())


async def test_a_build_without_tls_still_asks_for_the_password(plain_host: Host) -> None:
    server = await plain_host.new_server(Size(max_connections=10))
    database = await plain_host.new_database(server)
    with database.connect(sslmode="disable") as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        database.connect(sslmode="disable", password="wrong")
    follower = await plain_host.new_follower(server)
    assert (await plain_host.engine.behind(follower, server)).is_exact


async def test_a_larger_plan_gets_more(host: Host) -> None:
    server = await host.new_server(Size(max_connections=30, memory_mb=256))
    assert await ask(server, "SELECT current_setting('max_connections')") == [("40",)]
    assert await ask(server, "SELECT current_setting('shared_buffers')") == [("64MB",)]
    assert SMALL.memory_mb is not None
