"""What a dump loses, or writes in another way: each arrives, or the report names it."""

from __future__ import annotations

import asyncio

from tests.corpus.servers import run_sql
from tests.postgres.snapshot.conftest import SAME, Pair

from changeover.changeovers.verification.named import unnamed
from changeover.postgres.comparing.databases import compare


def test_tables_keep_their_access_method(pair: Pair) -> None:
    pair.make("CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler;"
              "CREATE TABLE a (x int) USING other_heap; CREATE TABLE b (x int);"
              "CREATE MATERIALIZED VIEW c USING other_heap AS SELECT 1 AS one; CREATE MATERIALIZED VIEW d AS SELECT 2 AS two;"
              "INSERT INTO a VALUES (1)")  # fmt: skip
    run_sql(pair.target, f"ALTER DATABASE {pair.target.database} SET default_table_access_method = 'nonsense'")
    pair.move()
    methods = "SELECT relname::text, amname::text FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relname = ANY('{a,b,c,d}')"
    assert sorted(run_sql(pair.target, methods)) == [
        ("a", "other_heap"),
        ("b", "heap"),
        ("c", "other_heap"),
        ("d", "heap"),
    ]
    assert pair.differs() == SAME


def test_a_language_over_the_functions_of_an_extension_arrives(pair: Pair) -> None:
    pair.make("CREATE TRUSTED LANGUAGE \"my own\" HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler"
              " VALIDATOR plpgsql_validator; COMMENT ON LANGUAGE \"my own\" IS 'x';"
              "CREATE LANGUAGE bare HANDLER plpgsql_call_handler; REVOKE USAGE ON LANGUAGE \"my own\" FROM PUBLIC;"
              "CREATE FUNCTION one() RETURNS int LANGUAGE \"my own\" AS 'BEGIN RETURN 1; END'")  # fmt: skip
    pair.move()
    languages = (
        "SELECT lanname::text, lanpltrusted, lanplcallfoid::regproc::text, laninline::regproc::text, lanvalidator::regproc::text,"
        " obj_description(oid, 'pg_language') FROM pg_language WHERE lanispl ORDER BY 1"
    )
    assert run_sql(pair.target, languages) == run_sql(pair.source, languages)
    assert run_sql(pair.target, "SELECT one()") == [(1,)]
    assert pair.differs() == SAME


def test_a_right_that_the_owner_of_a_large_object_gave_up_stays_given_up(pair: Pair) -> None:
    pair.make("CREATE ROLE pair_owner; CREATE ROLE pair_reader; SELECT lo_create(70001), lo_create(70002), lo_create(70003);"
              "ALTER LARGE OBJECT 70001 OWNER TO pair_owner; GRANT SELECT ON LARGE OBJECT 70001 TO pair_reader WITH GRANT OPTION;"
              "REVOKE UPDATE ON LARGE OBJECT 70001 FROM pair_owner;"
              "REVOKE ALL ON LARGE OBJECT 70002 FROM changeover")  # fmt: skip
    pair.move()
    assert pair.differs() == SAME
    rights = "SELECT oid, lomacl::text FROM pg_largeobject_metadata ORDER BY oid"
    assert run_sql(pair.target, rights) == run_sql(pair.source, rights)


STATES = """
SELECT c.conname::text, t.tgrelid::regclass::text, p.proname::text, t.tgenabled::text
  FROM pg_trigger t JOIN pg_constraint c ON c.oid = t.tgconstraint JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE t.tgisinternal ORDER BY 1, 2, 3
"""


def test_the_triggers_of_constraints_are_as_disabled_as_on_the_source(pair: Pair) -> None:
    pair.make("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p, q int REFERENCES p);"
              "CREATE TABLE u (x int UNIQUE DEFERRABLE); CREATE TABLE self (id int PRIMARY KEY, up int REFERENCES self);"
              'CREATE SCHEMA "Odd s"; CREATE TABLE "Odd s"."T""x" (p int REFERENCES public.p) PARTITION BY LIST (p);'
              'CREATE TABLE "Odd s".one PARTITION OF "Odd s"."T""x" FOR VALUES IN (1);'
              'CREATE TABLE "Odd s".two PARTITION OF "Odd s"."T""x" FOR VALUES IN (2);'
              "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
              "CREATE TRIGGER own AFTER INSERT ON c FOR EACH ROW EXECUTE FUNCTION f(); INSERT INTO p VALUES (1);"
              "INSERT INTO c VALUES (1, 1); ALTER TABLE c DISABLE TRIGGER ALL; ALTER TABLE u DISABLE TRIGGER ALL;"
              "ALTER TABLE self DISABLE TRIGGER ALL; ALTER TABLE \"Odd s\".one DISABLE TRIGGER ALL;"
              'ALTER TABLE ONLY "Odd s"."T""x" DISABLE TRIGGER ALL')  # fmt: skip
    name = "SELECT tgname::text FROM pg_trigger WHERE tgrelid = 'p'::regclass AND tgisinternal ORDER BY oid LIMIT 1"
    ((trigger,),) = run_sql(pair.source, name)
    run_sql(pair.source, f'ALTER TABLE p ENABLE ALWAYS TRIGGER "{trigger}"')
    pair.move()
    there = run_sql(pair.source, STATES)
    assert {state for *_, state in there} == {"O", "D", "A"}
    assert run_sql(pair.target, STATES) == there
    assert pair.notes == []
    assert asyncio.run(compare(pair.source, pair.target)).differences == []
    run_sql(pair.target, 'ALTER TABLE "Odd s".one ENABLE TRIGGER ALL')
    assert "triggers of fk constraint Odd s.one" in str(asyncio.run(compare(pair.source, pair.target)).differences)


def test_a_removed_comment_of_schema_public_stays_removed(pair: Pair) -> None:
    pair.make("COMMENT ON SCHEMA public IS NULL; CREATE TABLE t (i int)")
    pair.move()
    assert run_sql(pair.target, "SELECT obj_description('public'::regnamespace, 'pg_namespace')") == [(None,)]
    assert pair.differs() == SAME


def test_columns_in_another_order_and_what_was_added_to_an_extension_are_named(pair: Pair) -> None:
    pair.make("CREATE TABLE p (a int); CREATE TABLE c (b text) INHERITS (p); ALTER TABLE p ADD COLUMN z text;"
              "CREATE TABLE same (b text) INHERITS (p); CREATE EXTENSION hstore;"
              "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1';"
              "CREATE TYPE mine_too AS ENUM ('a'); CREATE TABLE ours (a int);"
              "ALTER EXTENSION hstore ADD FUNCTION mine(); ALTER EXTENSION hstore ADD TYPE mine_too;"
              "ALTER EXTENSION hstore ADD TABLE ours")  # fmt: skip
    pair.move()
    assert sum("columns of public.c have a different order: a, b, z" in note for note in pair.notes) == 1
    assert sum("columns of" in note for note in pair.notes) == 1
    members = [note.split(" ", 2)[2].split(".")[1] for note in pair.notes if "manually" in note]
    assert members == ["mine()", "ours", "mine_too"]
    assert len(pair.notes) == 4
    found = asyncio.run(compare(pair.source, pair.target))
    assert {one.thing for one in unnamed(found, pair.report["not_brought"])} <= {"table public.c"}


def test_a_label_whose_provider_is_not_loaded_is_named(pair: Pair) -> None:
    pair.make("CREATE TABLE t (i int); COMMENT ON TABLE t IS 'kept'")
    run_sql(pair.source, "INSERT INTO pg_seclabel VALUES ('t'::regclass, 'pg_class'::regclass, 0, 'nobody', 'secret')")
    pair.move()
    (note,) = pair.notes
    assert note.startswith("SECURITY LABEL public.TABLE")
    assert 'provider "nobody" is not loaded' in note
    assert run_sql(pair.target, "SELECT obj_description('t'::regclass)") == [("kept",)]


def test_a_right_that_a_missing_role_granted_is_granted_by_the_owner(pair: Pair) -> None:
    pair.make("CREATE ROLE pair_grantor; CREATE ROLE pair_reader; CREATE TABLE t (i int);"
              "GRANT SELECT ON t TO pair_grantor WITH GRANT OPTION; SET ROLE pair_grantor;"
              "GRANT SELECT ON t TO pair_reader")  # fmt: skip
    pair.move(skip_roles=("pair_grantor",))
    assert run_sql(pair.target, "SELECT has_table_privilege('pair_reader', 't', 'SELECT')") == [(True,)]
    assert all('"pair_grantor" does not exist' in note for note in pair.notes)
    assert pair.notes


def test_rights_on_a_large_object_that_were_given_in_another_order_are_the_same(pair: Pair) -> None:
    pair.make("CREATE ROLE pair_owner; CREATE ROLE pair_reader; SELECT lo_create(70001);"
              "ALTER LARGE OBJECT 70001 OWNER TO pair_owner; REVOKE ALL ON LARGE OBJECT 70001 FROM pair_owner;"
              "GRANT SELECT ON LARGE OBJECT 70001 TO pair_reader; GRANT SELECT ON LARGE OBJECT 70001 TO pair_owner")  # fmt: skip
    pair.move()
    acl = "SELECT lomacl::text FROM pg_largeobject_metadata"
    assert run_sql(pair.source, acl) != run_sql(pair.target, acl)
    assert asyncio.run(compare(pair.source, pair.target, compares_owners=True)).differences == []


def test_a_table_that_was_added_to_another_version_of_an_extension_is_named(pair: Pair) -> None:
    pair.make("CREATE EXTENSION hstore VERSION '1.7'; CREATE TABLE kept (i int); INSERT INTO kept VALUES (1);"
              "ALTER EXTENSION hstore ADD TABLE kept")  # fmt: skip
    pair.move()
    (note,) = pair.notes
    assert note.startswith("Not copied: table public.kept. It belongs to the extension hstore 1.7")


IN_AN_EXTENSION = """
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE TABLE base (id int PRIMARY KEY); ALTER EXTENSION citext ADD TABLE base
"""
CHANGED_IN_IT = """
COMMENT ON FUNCTION akeys(hstore) IS 'ours'; ALTER FUNCTION avals(hstore) SET search_path = public;
ALTER TABLE base ADD added int CHECK (added > 0); CREATE INDEX by_added ON base (added);
CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER fires BEFORE INSERT ON base FOR EACH ROW EXECUTE FUNCTION fires()
"""


def test_what_was_changed_in_an_extension_is_named(pair: Pair) -> None:
    pair.make(IN_AN_EXTENSION + ";" + CHANGED_IN_IT)
    pair.on_target("CREATE EXTENSION citext")
    pair.on_target("CREATE TABLE base (id int PRIMARY KEY); ALTER EXTENSION citext ADD TABLE base")
    pair.move()
    assert sorted(pair.report["not_brought"]) == [
        "comment of function public.akeys(public.hstore)",
        "index public.by_added",
        "settings of function public.avals(public.hstore)",
        "table column public.base.added",
        "table constraint base_added_check on public.base",
        "trigger fires on public.base",
    ]
    assert len(pair.notes) == 6
    found = asyncio.run(compare(pair.source, pair.target))
    assert len(found.differences) == 6
    assert unnamed(found, pair.report["not_brought"]) == []


def test_what_is_among_the_systems_own_objects_is_named(pair: Pair) -> None:
    pair.make("CREATE TABLE information_schema.kept AS SELECT 1 AS i; CREATE DOMAIN information_schema.small AS int;"
              "CREATE FUNCTION pg_catalog.mine(text) RETURNS int LANGUAGE sql AS 'SELECT 1'")  # fmt: skip
    pair.move()
    named = (
        "table information_schema.kept",
        "type information_schema.small",
        "function pg_catalog.mine(pg_catalog.text)",
    )
    assert [name for name in named if not any(f"Not copied: {name}" in note for note in pair.notes)] == []
    assert len(pair.notes) == len(named)


def test_rights_of_owner_and_mover_arrive_where_the_mover_is_no_superuser(pair: Pair) -> None:
    pair.make("CREATE ROLE pair_owner; CREATE ROLE pair_mover LOGIN; CREATE TABLE t (i int); ALTER TABLE t OWNER TO pair_owner;"
              "GRANT CREATE ON SCHEMA public TO pair_owner; GRANT SELECT ON t TO pair_mover;"
              "REVOKE DELETE ON t FROM pair_owner")  # fmt: skip
    pair.on_target("CREATE ROLE pair_owner; CREATE ROLE pair_mover LOGIN CREATEROLE PASSWORD 'x';"
                   "GRANT pair_owner TO pair_mover; ALTER DATABASE THIS OWNER TO pair_mover")  # fmt: skip
    there, pair.target = pair.target, pair.target.with_(user="pair_mover", password="x")
    pair.move()
    pair.target = there
    rights = (
        "SELECT relowner::regrole::text, grantee::regrole::text, privilege_type FROM pg_class, aclexplode(relacl)"
        " WHERE relname = 't' AND privilege_type <> 'MAINTAIN' ORDER BY 2, 3"
    )
    assert run_sql(pair.target, rights) == run_sql(pair.source, rights)


LO_RIGHTS = """
SELECT l.oid::bigint, lomowner::regrole::text, grantee::regrole::text, privilege_type, is_grantable
  FROM pg_largeobject_metadata l, aclexplode(lomacl) ORDER BY 1, 3, 4
"""


def test_the_role_that_copies_keeps_its_rights_on_the_large_objects_of_others(pair: Pair) -> None:
    pair.make("CREATE ROLE pair_owner; SELECT lo_create(70001), lo_create(70002);"
              "GRANT SELECT ON LARGE OBJECT 70002 TO pair_owner;"
              "ALTER LARGE OBJECT 70001 OWNER TO pair_owner; GRANT SELECT ON LARGE OBJECT 70001 TO PUBLIC, changeover;"
              "GRANT UPDATE ON LARGE OBJECT 70001 TO changeover WITH GRANT OPTION")  # fmt: skip
    pair.move()
    assert len(run_sql(pair.source, LO_RIGHTS)) == 8
    assert run_sql(pair.target, LO_RIGHTS) == run_sql(pair.source, LO_RIGHTS)


def test_it_keeps_them_also_as_a_member_without_the_rights_of_the_owner(pair: Pair) -> None:
    pair.make("CREATE ROLE pair_owner; CREATE ROLE pair_mover LOGIN; CREATE ROLE pair_reader;"
              "CREATE ROLE pair_gone; SELECT lo_create(70001);"
              "ALTER LARGE OBJECT 70001 OWNER TO pair_owner; GRANT SELECT ON LARGE OBJECT 70001 TO pair_mover;"
              "GRANT SELECT ON LARGE OBJECT 70001 TO pair_reader, pair_gone;"
              "REVOKE UPDATE ON LARGE OBJECT 70001 FROM pair_owner")  # fmt: skip
    pair.on_target("CREATE ROLE pair_owner; CREATE ROLE pair_reader; CREATE ROLE pair_mover LOGIN PASSWORD 'x';"
                   "ALTER DATABASE THIS OWNER TO pair_mover;"
                   "GRANT pair_owner TO pair_mover WITH INHERIT FALSE, SET TRUE")  # fmt: skip
    there, pair.target = pair.target, pair.target.with_(user="pair_mover", password="x")
    pair.move()
    pair.target = there
    assert "Rights of role pair_gone on large objects are not copied: the target has no such role." in pair.notes
    run_sql(pair.source, "REVOKE SELECT ON LARGE OBJECT 70001 FROM pair_gone")
    assert run_sql(pair.target, LO_RIGHTS) == run_sql(pair.source, LO_RIGHTS)
