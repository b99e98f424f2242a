"""What the owner of a database tries in order to become more than that: each attempt ends with an error, or as the owner."""

from __future__ import annotations

import asyncio
import re
from functools import partial

import psycopg
import pytest
from psycopg import sql
from tests.engines.fix_host import Database, Host, ask, until

from changeover.engines.engine import Server
from changeover.hosts.users import run_as_for_servers
from changeover.postgres.connect import Address, connect

IS_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = '{}'"
EVIL = "BEGIN EXECUTE format('ALTER ROLE %I SUPERUSER', session_user); RETURN {}; END"
RESET = "SELECT _heroku.pg_stat_statements_reset()"
FORMER = """
CREATE OR REPLACE FUNCTION _heroku.pg_stat_statements_reset() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM public.pg_stat_statements_reset(dbid => (SELECT oid FROM pg_database WHERE datname = current_database()));
END $$
"""


@pytest.fixture
async def mine(host: Host, leader: Server) -> Database:
    return await host.new_database(leader)


async def is_superuser(database: Database) -> bool:
    return await ask(database.server, IS_SUPERUSER.format(database.owner.user)) == [(True,)]


def try_all(database: Database, *statements: str) -> list[str]:
    """What the server says to each."""
    said = []
    with database.connect() as session:
        for statement in statements:
            try:
                session.execute(statement.encode())
                said.append("")
            except psycopg.Error as refused:
                said.append(str(refused))
    return said


RIGHTS = {
    "a program": "COPY (SELECT 1) TO PROGRAM 'id'",
    "a program's output": "CREATE TEMP TABLE t (x text); COPY t FROM PROGRAM 'id'",
    "a file": "SELECT pg_read_file('/etc/passwd')",
    "a file into a table": "CREATE TEMP TABLE t (x text); COPY t FROM '/etc/passwd'",
    "a file into a large object": "SELECT lo_import('/etc/passwd')",
    "a large object into a file": "SELECT lo_export(lo_create(0), '/tmp/x')",
    "the folders of the server": "SELECT pg_ls_dir('.')",
    "a role": "CREATE ROLE more SUPERUSER",
    "a membership": "GRANT pg_execute_server_program TO CURRENT_USER",
    "the followers' group": "GRANT changeover_followers TO CURRENT_USER",
    "our role": "SET ROLE changeover",
    "our session": "SET SESSION AUTHORIZATION changeover",
    "itself": "ALTER ROLE CURRENT_USER SUPERUSER",
    "replication": "ALTER ROLE CURRENT_USER REPLICATION",
    "our password": "ALTER ROLE changeover PASSWORD 'x'",
    "passwords": "SELECT rolpassword FROM pg_authid",
    "settings of the server": "ALTER SYSTEM SET archive_command = 'id'",
    "libraries for every session": "ALTER DATABASE {} SET session_preload_libraries = 'x'",
    "a library": "LOAD '/tmp/x.so'",
    "a function in C": "CREATE FUNCTION c() RETURNS int LANGUAGE c AS '/tmp/x.so', 'f'",
    "an untrusted language": "CREATE EXTENSION plpython3u",
    "files as tables": "CREATE EXTENSION file_fdw",
    "administration by SQL": "CREATE EXTENSION adminpack",
    "other servers by dblink": "CREATE EXTENSION dblink",
    "other servers as tables": "CREATE EXTENSION postgres_fdw",
    "an event trigger": "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
    " CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION e()",
    "our schema": "CREATE TABLE _heroku.mine ()",
    "our function": "CREATE OR REPLACE FUNCTION _heroku.pg_stat_statements_reset() RETURNS void LANGUAGE sql AS ''",
    "another owner for ours": "ALTER SCHEMA _heroku OWNER TO CURRENT_USER",
    "catalogs": "UPDATE pg_authid SET rolsuper = true",
    "a subscription": "CREATE SUBSCRIPTION s CONNECTION 'host=/' PUBLICATION p",
}


@pytest.mark.parametrize("what", RIGHTS)
async def test_an_owner_does_not_get(mine: Database, follower: Server, what: str) -> None:
    said = try_all(mine, *RIGHTS[what].replace("{}", mine.name).split("; "))
    assert re.search(
        "permission denied|must be|must have admin|not available|Only roles|Only superusers|not permitted|"
        "access to library|is not allowed",
        said[-1],
    ), said
    assert not await is_superuser(mine)


HIJACKS = {
    "an overload that fits better": (
        f"CREATE FUNCTION public.pg_stat_statements_reset(dbid oid) RETURNS void LANGUAGE plpgsql AS $$ {EVIL.format('')} $$",
    ),
    "the extension gone with its schema": (
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
        "CREATE FUNCTION public.pg_stat_statements_reset(userid oid DEFAULT 0, dbid oid DEFAULT 0, queryid bigint DEFAULT 0)"
        f" RETURNS void LANGUAGE plpgsql AS $$ {EVIL.format('')} $$",
    ),
    "the schema by another name": (
        "ALTER SCHEMA public RENAME TO former",
        "CREATE SCHEMA public",
        "CREATE FUNCTION public.pg_stat_statements_reset(userid oid, dbid oid, queryid bigint)"
        f" RETURNS void LANGUAGE plpgsql AS $$ {EVIL.format('')} $$",
    ),
    "an operator in the search path": (
        "CREATE FUNCTION public.same(name, name) RETURNS bool LANGUAGE plpgsql AS"
        f" $$ {EVIL.format('true')} $$",
        "CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = name, FUNCTION = public.same)",
        "SET search_path = public, pg_catalog",
    ),
}  # fmt: skip


@pytest.mark.parametrize("is_older", [False, True])
@pytest.mark.parametrize("how", HIJACKS)
async def test_the_function_that_resets_statistics_calls_nothing_of_the_owners(
    host: Host, mine: Database, how: str, is_older: bool
) -> None:
    if is_older:
        await ask(mine.server, FORMER, mine.name)
        await host.engine_at(host.home).renew_access(mine.server)
    try_all(mine, *HIJACKS[how], RESET)
    assert not await is_superuser(mine)


async def test_the_reset_reaches_the_statistics_of_its_database(mine: Database) -> None:
    assert try_all(mine, RESET) == [""]


async def test_the_function_of_the_version_before_was_a_way_in(host: Host, mine: Database) -> None:
    """What the tests above would see if it were still there."""
    await ask(mine.server, FORMER, mine.name)
    said = try_all(mine, *HIJACKS["the extension gone with its schema"], RESET)
    assert await is_superuser(mine), said
    await ask(mine.server, f"ALTER ROLE {mine.owner.user} NOSUPERUSER")


@pytest.mark.parametrize(
    "setting",
    ["search_path = evil, pg_catalog", "role = {owner}", "default_transaction_read_only = on", "lock_timeout = 1"],
)
async def test_settings_of_a_database_do_not_reach_our_own_sessions(mine: Database, setting: str) -> None:
    said = try_all(mine, f"ALTER DATABASE {mine.name} SET " + setting.format(owner=mine.owner.user))
    assert said == [""]
    shown = "SELECT current_setting('search_path'), current_user::text, current_setting('transaction_read_only')"
    assert await ask(mine.server, shown, mine.name) == [("pg_catalog", "changeover", "off")]


async def test_what_we_ask_as_superuser_calls_nothing_of_the_owners(host: Host, mine: Database) -> None:
    """Functions and operators named like the catalog's, and code in what is only looked at."""
    planted = [
        *(
            f"CREATE FUNCTION public.{name} RETURNS {kind} LANGUAGE plpgsql AS $$ {EVIL.format(value)} $$"
            for name, kind, value in (
                ("count()", "bigint", "1"), ("pg_database_size(oid)", "bigint", "1"), ("same(name, name)", "bool", "true"),
                ("pg_database_size(name)", "bigint", "1"), ("current_setting(text)", "text", "'x'"), ("evil()", "int", "1"),
            )
        ),
        "CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = name, FUNCTION = public.same)",
        "CREATE VIEW public.pg_stat_activity AS SELECT public.evil() AS pid",
        "CREATE VIEW public.pg_class AS SELECT public.evil() AS oid",
        f"ALTER DATABASE {mine.name} SET search_path = public, pg_catalog",
    ]  # fmt: skip
    assert try_all(mine, *planted) == [""] * len(planted)
    await host.engine.facts(mine.server, mine.name)
    await host.engine.traffic(mine.server, mine.name)
    await host.engine.end_sessions(mine.server, mine.name)
    await host.engine.renew_access(mine.server)
    assert not await is_superuser(mine)


@pytest.fixture
async def connected(mine: Database) -> Database:
    """With extensions that reach other servers, as an operator may make them."""
    for extension in ("dblink", "postgres_fdw"):
        await ask(mine.server, f"CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA public", mine.name)
    await ask(mine.server, f"GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO {mine.owner.user}", mine.name)
    return mine


WAYS = {
    "its own control socket": "host={socket} port={port} user=changeover dbname=postgres",
    "its own control socket with a password": "host={socket} port={port} user=changeover dbname=postgres password=x",
    "its own control socket as its leader's role": "host={socket} port={port} user={role} dbname=postgres password=x",
    "another server's": "host={other} port={other_port} user=changeover dbname=postgres password=x",
    "a follower's password": "host={socket} port={port} user={role} password=x passfile={passfile} replication=true",
    "by TCP": "host=127.0.0.1 port={port} user=changeover dbname=postgres password=x sslmode=require",
}


@pytest.mark.parametrize("way", WAYS)
async def test_no_way_leads_from_inside_a_database_to_a_superuser(
    host: Host, connected: Database, follower: Server, way: str
) -> None:
    server = connected.server
    where = WAYS[way].format(
        socket=server.socket_directory, port=server.port, other=follower.socket_directory, other_port=follower.port,
        role=f"changeover_follower_{follower.name}", passfile=follower.data_directory.parent / "leader.pgpass",
    )  # fmt: skip
    query = sql.SQL("SELECT * FROM public.dblink({}, {}) AS t (x text)").format(
        sql.Literal(where), sql.Literal(f"ALTER ROLE {connected.owner.user} SUPERUSER")
    )
    options = dict(word.split("=", 1) for word in where.split())
    mapping = {name: options.pop(name) for name in ("user", "password") if name in options}
    options.pop("replication", None)
    options.pop("passfile", None)
    named = [", ".join(f"{name} '{value}'" for name, value in some.items()) for some in (options, mapping)]

    said = try_all(
        connected,
        query.as_string(),
        f"CREATE SERVER there FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({named[0]})",
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER there OPTIONS ({named[1]})",
        "CREATE FOREIGN TABLE roles (rolname name) SERVER there OPTIONS (schema_name 'pg_catalog', table_name 'pg_authid')",
        "SELECT * FROM roles",
    )

    assert said[0]
    assert said[-1]
    assert not await is_superuser(connected)


async def test_owners_cannot_use_the_function_for_connections_without_passwords(connected: Database) -> None:
    (said,) = try_all(connected, "SELECT public.dblink_connect_u('host=/')")
    assert "permission denied" in said


async def test_the_superuser_connects_by_the_socket_alone(leader: Server) -> None:
    async with connect(Address(leader.socket_directory, leader.port)) as connection:
        user = run_as_for_servers()
        found = await connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'changeover'")
        assert await found.fetchall() == [(None,)]
        lines = await connection.execute("SELECT map_name, sys_name FROM pg_ident_file_mappings")
        mapped = [row[1] for row in await lines.fetchall()]
    assert len(mapped) == 1
    assert user not in mapped


async def test_extensions_that_need_more_are_made_by_us_for_their_owner(host: Host, mine: Database) -> None:
    wanted = {
        "earthdistance": "geo",
        "moddatetime": "public",
        "dblink": "public",
        "hstore": "public",
        "no_such": "public",
    }
    made = await host.engine.make_extensions(mine.server, mine.name, mine.owner.user, wanted)
    assert made == ["earthdistance", "moddatetime"]
    assert await host.engine.make_extensions(mine.server, mine.name, mine.owner.user, wanted) == []
    said = try_all(mine, "SELECT geo.earth()", "CREATE TABLE geo.mine ()", "DROP EXTENSION earthdistance")
    assert said[:2] == ["", ""]
    assert "must be owner of extension" in said[2]


EXTENSIONS = (
    "SELECT extname::text FROM pg_extension WHERE extname IN ('cube', 'earthdistance', 'moddatetime') ORDER BY 1"
)


async def test_extensions_that_a_later_content_does_not_want_are_dropped_unless_something_needs_them(
    host: Host, mine: Database
) -> None:
    make = partial(host.engine.make_extensions, mine.server, mine.name, mine.owner.user)
    assert await make({"earthdistance": "geo", "cube": "geo", "moddatetime": "public"}) == [
        "earthdistance",
        "moddatetime",
    ]
    assert await make({"earthdistance": "public", "cube": "public"}) == ["earthdistance"]
    assert try_all(mine, "CREATE TABLE places (at public.cube)") == [""]
    assert await make({}) == []
    assert await ask(mine.server, EXTENSIONS, database=mine.name) == [("cube",)]
    assert try_all(mine, "DROP TABLE places") == [""]
    assert await make({}) == []
    assert await ask(mine.server, EXTENSIONS, database=mine.name) == []


HIDDEN_IN_AN_EXTENSION = (
    "CREATE EXTENSION hstore",
    "ALTER EXTENSION hstore ADD FUNCTION public.cube(double precision)",
)


@pytest.mark.parametrize(
    "hides", [(), HIDDEN_IN_AN_EXTENSION], ids=["a function", "a function of an owner's extension"]
)
async def test_the_script_of_an_extension_calls_nothing_of_the_owners(
    host: Host, mine: Database, hides: tuple[str, ...]
) -> None:
    planted = f"CREATE FUNCTION public.cube(double precision) RETURNS int LANGUAGE plpgsql AS $$ {EVIL.format('1')} $$"
    assert set(try_all(mine, planted, *hides)) == {""}
    assert await host.engine.make_extensions(mine.server, mine.name, mine.owner.user, {"earthdistance": "public"}) == []
    assert not await is_superuser(mine)
    assert try_all(mine, "SELECT 1") == [""]  # its owner may come in again


async def test_nobody_else_is_in_the_database_while_it_gets_an_extension(host: Host, mine: Database) -> None:
    with mine.connect() as session:
        await host.engine.make_extensions(mine.server, mine.name, mine.owner.user, {"moddatetime": "public"})
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


LIMIT = "SELECT datconnlimit FROM pg_database WHERE datname = '{}'"
LEFTOVERS = "SELECT count(*) FROM pg_db_role_setting, unnest(setconfig) AS one WHERE one LIKE 'changeover.%'"


@pytest.mark.parametrize("former", [-1, 0, 7])
async def test_a_connection_limit_survives_the_making_of_extensions(host: Host, mine: Database, former: int) -> None:
    await ask(mine.server, f'ALTER DATABASE "{mine.name}" CONNECTION LIMIT {former}')
    await host.engine.make_extensions(mine.server, mine.name, mine.owner.user, {"moddatetime": "public"})
    assert await ask(mine.server, LIMIT.format(mine.name)) == [(former,)]
    assert await ask(mine.server, LEFTOVERS) == [(0,)]


async def test_it_survives_a_call_that_was_killed(host: Host, mine: Database) -> None:
    """Such a call leaves the database closed, and the limit with it."""
    await ask(mine.server, f"ALTER DATABASE \"{mine.name}\" SET changeover.connection_limit = '7'")
    await ask(mine.server, f'ALTER DATABASE "{mine.name}" CONNECTION LIMIT 0')
    await host.engine.make_extensions(mine.server, mine.name, mine.owner.user, {"moddatetime": "public"})
    assert await ask(mine.server, LIMIT.format(mine.name)) == [(7,)]


async def test_what_an_owner_writes_as_the_former_limit_is_read_as_a_number(host: Host, mine: Database) -> None:
    await ask(mine.server, f"ALTER DATABASE \"{mine.name}\" SET changeover.connection_limit = 'x'")
    made = await host.engine.make_extensions(mine.server, mine.name, mine.owner.user, {"moddatetime": "public"})
    assert made == ["moddatetime"]
    assert await ask(mine.server, LIMIT.format(mine.name)) == [(-1,)]


ENTERING = """
SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock' AND locktype = 'object'
   AND pid NOT IN (SELECT pid FROM pg_stat_activity)
"""


async def test_a_session_that_was_being_let_in_is_waited_for_and_ended(host: Host, mine: Database) -> None:
    """With this option it waits past the check of the connection limit, in no list of sessions."""
    entering = asyncio.create_task(asyncio.to_thread(enter_slowly, mine))

    async def is_entering() -> bool:
        return await ask(mine.server, ENTERING) == [(1,)]

    await until(is_entering)
    await host.engine.make_extensions(mine.server, mine.name, mine.owner.user, {"moddatetime": "public"})
    assert "terminating connection" in await entering


def enter_slowly(database: Database) -> str:
    """How its session ended."""
    try:
        with database.connect(options="-c post_auth_delay=2") as session:
            session.execute("SELECT pg_sleep(20)")
    except psycopg.OperationalError as ended:
        return str(ended)
    return "not at all"
