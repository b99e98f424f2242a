"""What PgBouncer is told, as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from changeover.engines.engine import Server
from changeover.engines.local.pgbouncer.configuration import (
    PoolerEnvironment,
    access_file,
    most_clients,
    settings_file,
    suited,
    users_file,
)
from changeover.engines.pooler import Pooler, PoolerFacts, Route

POOLER = Pooler("p1", "127.0.0.1", 30001, Path("/data/poolers/p1"), Path("/sockets/p1"))
SERVER = Server("s1", "local", "127.0.0.1", 20001, Path("/bin"), Path("/data"), Path("/sock'ets/s1"))
OTHER = replace(SERVER, name="s2", port=20002, socket_directory=Path("/sockets/s2"))
ROUTE = Route(SERVER, "d1", (("u1", "SCRAM-SHA-256$1"),), 90)
ENVIRONMENT = PoolerEnvironment(POOLER.folder, "ann", 20_000)
OLD, NEW = PoolerFacts((1, 18), False), PoolerFacts((1, 24), True)


def lines(*, canary: Route | None = None, facts: PoolerFacts = OLD) -> list[str]:
    return settings_file(POOLER, ROUTE, canary, facts, ENVIRONMENT).splitlines()


def test_a_database_is_reached_by_its_servers_socket() -> None:
    where = "d1 = host='/sock''ets/s1' port=20001 dbname='d1' pool_size=90 max_db_connections=90"
    assert [line for line in lines() if line.startswith("d1")] == [where]


def test_a_canary_has_a_name_and_a_few_connections_of_its_own() -> None:
    where = "d1__canary = host='/sockets/s2' port=20002 dbname='d1' pool_size=2 max_db_connections=2"
    assert where in lines(canary=replace(ROUTE, server=OTHER))


@pytest.mark.parametrize(
    "line",
    [
        "pool_mode = transaction",
        "client_tls_ca_file = /data/poolers/p1/tls/server.crt",
        "client_tls_sslmode = require",
        "auth_type = hba",
        "server_login_retry = 0.2",  # by default 15 seconds, for everybody
        "listen_addr = 127.0.0.1",
        "admin_users = ann",
    ],
)
def test_what_every_pooler_is_told(line: str) -> None:
    assert line in lines()


def test_clients_may_prepare_only_where_the_version_can() -> None:
    told = "max_prepared_statements = 200"
    assert (told in lines(facts=NEW), told in lines(facts=OLD)) == (True, False)


def test_settings_of_another_version_are_made_such_as_this_one_can_read() -> None:
    old, new = ("\n".join(lines(facts=facts)) + "\n" for facts in (OLD, NEW))

    assert [suited(old, NEW), suited(new, OLD)] == [new, old]
    assert [suited(old, OLD), suited(new, NEW)] == [old, new]


@pytest.mark.parametrize(("most_files", "clients"), [(20_000, 10_000), (1024, 868), (64, 90)])
def test_there_are_as_many_clients_as_open_files_allow(most_files: int, clients: int) -> None:
    assert most_clients(ROUTE, replace(ENVIRONMENT, most_files=most_files)) == clients


@pytest.mark.parametrize("name", ["a b", 'a"b', "a\nb", "", "a=b"])
def test_a_name_that_could_say_something_else_is_never_written(name: str) -> None:
    with pytest.raises(ValueError, match="can't read the name"):
        settings_file(POOLER, replace(ROUTE, database=name), None, OLD, ENVIRONMENT)


def test_the_administrator_has_no_password_and_comes_by_the_socket_only() -> None:
    assert users_file([('u"1', "SCRAM$x")], administrator="ann") == '"ann" ""\n"u""1" "SCRAM$x"\n'
    about_ann = [line for line in access_file(administrator="ann").splitlines() if '"ann"' in line]
    assert about_ann[0] == 'local pgbouncer "ann" peer'
    assert all(line.endswith("reject") for line in about_ann[1:])
