"""Nobody but we are superuser on a server: not the user that runs it, not its followers, not their leftovers."""

from __future__ import annotations

import os
import re
from pathlib import Path

import psycopg
import pytest
from tests.engines.fix_host import SMALL, Host, ask, until

from changeover.engines.engine import Server
from changeover.engines.local.leading import role_of
from changeover.hosts.programs import Finished, run_program
from changeover.hosts.users import run_as_for_servers
from changeover.postgres.cluster import write_file
from changeover.postgres.configuration import FORMERLY, LED

as_root = run_as_for_servers() is not None
FOLLOWS = "SELECT usename FROM pg_stat_replication WHERE application_name = '{}'"


async def psql(server: Server, user: str, *, run_as: str | None, database: str = "postgres") -> Finished:
    """What a process of this host gets that tries to come in by the server's socket."""
    arguments = [
        "--no-password",
        "--tuples-only",
        "--no-psqlrc",
        f"--host={server.socket_directory}",
        f"--port={server.port}",
    ]
    return await run_program(
        [server.bin_directory / "psql", *arguments, f"--username={user}", f"--dbname={database}", "--command=SELECT 1"],
        run_as=run_as,
    )


def passfile(follower: Server) -> Path:
    return follower.data_directory.parent / "leader.pgpass"


async def test_being_the_user_of_one_server_does_not_mean_being_superuser_on_any(leader: Server) -> None:
    """As an ordinary user that is the same user: then the way in stays open, and docs/security.md says so."""
    said = await psql(leader, "changeover", run_as=run_as_for_servers())
    assert ("Peer authentication failed" in said.output) is as_root
    assert (said.code == 0) is not as_root
    assert (await psql(leader, "changeover", run_as=None)).code == 0


async def test_a_follower_replicates_as_a_role_that_can_do_nothing_else(leader: Server, follower: Server) -> None:
    role = role_of(follower.name)
    rights = await ask(
        leader,
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication,"
        " ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = r.oid)"
        f" FROM pg_roles r WHERE rolname = '{role}'",
    )
    assert rights == [(False, False, False, False, True, ["changeover_followers"])]
    assert await ask(leader, FOLLOWS.format(follower.name)) == [(role,)]


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({}, "pg_hba.conf rejects connection"),
        ({"dbname": "template1"}, "pg_hba.conf rejects connection"),
        ({"host": "127.0.0.1", "sslmode": "require"}, "pg_hba.conf rejects connection"),
        ({"replication": "database"}, "pg_hba.conf rejects"),
        ({"replication": "true", "password": "wrong"}, "password authentication failed"),
        ({"replication": "true", "host": "127.0.0.1", "sslmode": "require"}, "no pg_hba.conf entry for replication"),
    ],
)
def test_its_password_opens_no_database(
    leader: Server, follower: Server, changed: dict[str, str], refusal: str
) -> None:
    password = passfile(follower).read_text().strip().rpartition(":")[2]
    with pytest.raises(psycopg.OperationalError, match=refusal):
        psycopg.connect(
            **{
                "host": str(leader.socket_directory), "port": leader.port, "user": role_of(follower.name),
                "password": password, "dbname": "postgres", **changed,
            }  # type: ignore[arg-type]
        )  # fmt: skip


def test_its_password_is_for_the_user_of_its_server_alone(follower: Server) -> None:
    status = passfile(follower).stat()
    assert status.st_mode & 0o777 == 0o600
    assert status.st_uid == follower.data_directory.stat().st_uid
    assert (
        passfile(follower).read_text().strip().rpartition(":")[2]
        not in (follower.data_directory / "postgresql.conf").read_text()
    )


async def test_how_a_follower_connects_holds_no_password(follower: Server) -> None:
    """Owners of whole servers have pg_monitor, and may read it."""
    [(shown,)] = await ask(follower, "SELECT setting FROM pg_settings WHERE name = 'primary_conninfo'")
    assert "passfile" in shown
    assert "password" not in shown


async def make_older(host: Host, leader: Server, follower: Server) -> None:
    """As the version before made and ran both."""
    me = os.environ.get("USER", "root") if not as_root else "root"
    for server in (leader, follower):
        access = server.data_directory / "pg_hba.conf"
        lines = [line for line in access.read_text().splitlines() if "+changeover_followers" not in line]
        lines.insert(1, FORMERLY)
        write_file(access, "\n".join(lines).encode() + b"\n", run_as=run_as_for_servers())
        users = {me, run_as_for_servers() or me, "root"}
        identity = "".join(f'changeover "{user}" changeover\n' for user in users)
        write_file(server.data_directory / "pg_ident.conf", identity.encode(), run_as=run_as_for_servers())
    settings = follower.data_directory / "postgresql.conf"
    text = settings.read_text().replace(role_of(follower.name), "changeover")
    text = re.sub(r"passfile=''[^']*''", "passfile=''/nonexistent''", text)
    write_file(settings, text.encode(), run_as=run_as_for_servers())
    passfile(follower).unlink()
    for server in (follower, leader):
        await host.engine.stop(server)
    for server in (leader, follower):
        await host.engine_at(host.home)._places.cluster(server).start()
    await ask(leader, f"DROP ROLE {role_of(follower.name)}")

    async def follows() -> bool:
        return await ask(leader, FOLLOWS.format(follower.name)) == [("changeover",)]

    await until(follows)


async def test_servers_of_the_version_before_are_changed_while_they_run(host: Host) -> None:
    leader = await host.new_server()
    follower = await host.new_follower(leader)
    await make_older(host, leader, follower)
    if as_root:
        assert (await psql(leader, "changeover", run_as=run_as_for_servers())).code == 0
    engine = host.engine_at(host.home)
    assert not engine.has_current_access(leader)

    for server in (leader, follower):
        await engine.renew_access(server)

    async def follows() -> bool:
        return await ask(leader, FOLLOWS.format(follower.name)) == [(role_of(follower.name),)]

    await until(follows)
    await ask(leader, "CREATE TABLE public.later AS SELECT 1 AS n")
    await until(lambda: arrived(follower))
    assert engine.has_current_access(follower)
    assert LED[0] in (leader.data_directory / "pg_hba.conf").read_text()
    if as_root:
        assert (await psql(leader, "changeover", run_as=run_as_for_servers())).code != 0
        assert (await psql(follower, "changeover", run_as=run_as_for_servers())).code != 0


async def arrived(follower: Server) -> bool:
    return await ask(follower, "SELECT count(*) FROM pg_tables WHERE tablename = 'later'") == [(1,)]


async def test_a_stopped_follower_of_the_version_before_follows_again_after_its_start(host: Host) -> None:
    leader = await host.new_server()
    follower = await host.new_follower(leader)
    await make_older(host, leader, follower)
    for server in (follower, leader):
        await host.engine.stop(server)
    engine = host.engine_at(host.home)
    await engine.start(follower)  # before its leader: the keeper of servers comes again
    assert not engine.has_current_access(follower)
    await engine.start(leader)
    await engine.renew_access(follower)
    await ask(leader, "CREATE TABLE public.later AS SELECT 1 AS n")
    await until(lambda: arrived(follower))


async def test_a_promoted_server_forgets_the_roles_of_its_former_siblings(host: Host) -> None:
    leader = await host.new_server()
    first, second = await host.new_follower(leader), await host.new_follower(leader)
    await ask(leader, "SELECT pg_switch_wal()")
    await host.engine.promote(first, acting_as="r:1")
    await host.engine.forget_follower(leader, first)
    roles = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'changeover\\_follower\\_%'"
    assert await ask(first, roles) == []
    assert await ask(leader, roles) == [(role_of(second.name),)]
    await ask(leader, "CREATE TABLE public.later AS SELECT 1 AS n")
    await until(lambda: arrived(second))


async def test_a_new_follower_of_a_server_that_an_older_version_runs_comes_in(host: Host) -> None:
    leader = await host.new_server()
    follower = await host.new_follower(leader)
    await make_older(host, leader, follower)
    second = host.plan(leader=leader)
    await host.engine_at(host.home).begin_copy(second, leader, SMALL)
    await host.copied(second, leader)
    await host.engine.start(second)
    await ask(leader, "CREATE TABLE public.later AS SELECT 1 AS n")
    await until(lambda: arrived(second))
