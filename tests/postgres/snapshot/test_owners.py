"""Owners and rights where the target's role is no superuser, as at providers, and where who granted has lost a right since."""

from __future__ import annotations

import asyncio

import pytest
from tests.corpus.independent import what_differs
from tests.corpus.moving import by_snapshot
from tests.corpus.servers import run_sql
from tests.postgres.snapshot.conftest import SAME, Pair

from changeover.postgres.location import Location

THINGS = """
CREATE ROLE pair_owner; CREATE ROLE pair_other; CREATE ROLE pair_reader; CREATE ROLE pair_last;
CREATE SCHEMA app AUTHORIZATION pair_owner; CREATE SCHEMA "Odd ""s" AUTHORIZATION pair_other;
SET SESSION AUTHORIZATION pair_owner;
CREATE TABLE app.t (id serial PRIMARY KEY, big bigint GENERATED ALWAYS AS IDENTITY, x text);
INSERT INTO app.t (x) VALUES ('a'), ('b');
CREATE TYPE app.mood AS ENUM ('ok'); CREATE DOMAIN app.short AS text; CREATE SEQUENCE app.alone;
CREATE FUNCTION app.one() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW app.v AS SELECT * FROM app.t;
CREATE MATERIALIZED VIEW app.m AS SELECT count(*) FROM app.t; CREATE STATISTICS app.s ON id, x FROM app.t;
REVOKE ALL ON app.v FROM pair_owner; REVOKE UPDATE, DELETE ON app.t FROM pair_owner; REVOKE CREATE ON SCHEMA app FROM pair_owner;
GRANT USAGE ON SCHEMA app TO pair_reader; GRANT SELECT, INSERT (x) ON app.t TO pair_reader WITH GRANT OPTION;
SET SESSION AUTHORIZATION pair_reader; GRANT SELECT, INSERT (x) ON app.t TO pair_last;
RESET SESSION AUTHORIZATION;
CREATE TABLE public.theirs (id serial PRIMARY KEY); ALTER TABLE public.theirs OWNER TO pair_other;
CREATE TABLE app.guest (id serial); ALTER TABLE app.guest OWNER TO pair_other;
"""


@pytest.fixture
def mover(pair: Pair) -> Location:
    """The target as a role sees it that owns the database and may make roles, and no more."""
    run_sql(pair.target, "CREATE ROLE pair_mover LOGIN CREATEROLE PASSWORD 'x'",
            f"ALTER DATABASE {pair.target.database} OWNER TO pair_mover")  # fmt: skip
    return pair.target.with_(user="pair_mover", password="x")


def test_what_is_moved_by_an_ordinary_role_belongs_to_its_owners_with_the_rights_of_all(
    pair: Pair, mover: Location
) -> None:
    pair.make(THINGS)
    report = asyncio.run(by_snapshot(pair.source, mover))
    differing = what_differs(pair.servers, (pair.source, pair.target))
    assert [line for line in differing if "DATABASE HERE" not in line] == []
    assert not [note for note in report["notes"] if "denied" in note]


def test_a_sequence_whose_table_can_not_change_its_owner_is_named(pair: Pair, mover: Location) -> None:
    pair.make("CREATE ROLE pair_owner; CREATE TABLE t (id serial); ALTER TABLE t OWNER TO pair_owner")
    run_sql(pair.target, "CREATE ROLE pair_provider; ALTER SCHEMA public OWNER TO pair_provider;"
                         "GRANT CREATE ON SCHEMA public TO pair_mover")  # fmt: skip
    report = asyncio.run(by_snapshot(pair.source, mover))
    named = [note for note in report["notes"] if note.startswith(("TABLE public.t:", "SEQUENCE public.t_id_seq:"))]
    assert len(named) == 2
    owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname IN ('t', 't_id_seq')"
    assert run_sql(pair.target, owners) == [("pair_mover",)]


def test_a_right_arrives_whose_grantor_may_no_longer_use_the_schema(pair: Pair) -> None:
    pair.make("CREATE ROLE pair_giver; CREATE ROLE pair_taker; CREATE SCHEMA closed; CREATE TABLE closed.t (x int);"
              "GRANT USAGE ON SCHEMA closed TO pair_giver; GRANT SELECT, UPDATE (x) ON closed.t TO pair_giver WITH GRANT OPTION;"
              "SET SESSION AUTHORIZATION pair_giver; GRANT SELECT, UPDATE (x) ON closed.t TO pair_taker;"
              "RESET SESSION AUTHORIZATION; REVOKE USAGE ON SCHEMA closed FROM pair_giver")  # fmt: skip
    pair.move()
    assert pair.differs() == SAME
    assert pair.notes == []


def test_comments_of_large_objects_arrive_where_roles_are_not_brought(pair: Pair) -> None:
    pair.make("SELECT lo_create(70001), lo_create(70002); COMMENT ON LARGE OBJECT 70001 IS 'it''s one'")
    pair.move(keeps_owners=False)
    comments = "SELECT oid, obj_description(oid, 'pg_largeobject') FROM pg_largeobject_metadata ORDER BY oid"
    assert run_sql(pair.target, comments) == [(70001, "it's one"), (70002, None)]
