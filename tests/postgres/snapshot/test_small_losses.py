"""What a dump loses, or writes in another way: each arrives, or the report names it."""

from __future__ import annotations

from tests.corpus.servers import run_sql
from tests.postgres.snapshot.conftest import SAME, Pair


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


def test_a_right_that_the_owner_of_a_large_object_gave_up_stays_given_up(pair: Pair) -> None:
    pair.make("CREATE ROLE pair_owner; CREATE ROLE pair_reader; SELECT lo_create(70001), lo_create(70002), lo_create(70003);"
              "ALTER LARGE OBJECT 70001 OWNER TO pair_owner; GRANT SELECT ON LARGE OBJECT 70001 TO pair_reader WITH GRANT OPTION;"
              "REVOKE UPDATE ON LARGE OBJECT 70001 FROM pair_owner;"
              "REVOKE ALL ON LARGE OBJECT 70002 FROM changeover")  # fmt: skip
    pair.move()
    assert pair.differs() == SAME
    rights = "SELECT oid, lomacl::text FROM pg_largeobject_metadata ORDER BY oid"
    assert run_sql(pair.target, rights) == run_sql(pair.source, rights)


def test_columns_in_another_order_and_what_was_added_to_an_extension_are_named(pair: Pair) -> None:
    pair.make("CREATE TABLE p (a int); CREATE TABLE c (b text) INHERITS (p); ALTER TABLE p ADD COLUMN z text;"
              "CREATE TABLE same (b text) INHERITS (p); CREATE EXTENSION hstore;"
              "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1';"
              "ALTER EXTENSION hstore ADD FUNCTION mine()")  # fmt: skip
    pair.move()
    assert sum("columns of public.c are in another order: a, b, z" in note for note in pair.notes) == 1
    assert sum("columns of" in note for note in pair.notes) == 1
    assert [note for note in pair.notes if "columns of" not in note and "function public.mine()" not in note] == []
