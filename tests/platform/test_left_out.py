"""What a restore leaves out of an archive is named, without the values of settings."""

from __future__ import annotations

from dataclasses import replace

from tests.platform.test_transfers import contents, entry

from changeover.platform.transfers.archive import Present
from changeover.platform.transfers.left_out import left_out, members_left_out, out_of_reach, rights_left_out

PROPERTIES = b"""ALTER DATABASE shop SET search_path TO 'app', 'public';
ALTER DATABASE shop SET "app.key" TO 'secret
ALTER DATABASE';
ALTER ROLE "an app" IN DATABASE shop SET work_mem TO '7MB';
ALTER ROLE "an app" IN DATABASE shop SET search_path TO 'app';
ALTER DATABASE shop CONNECTION LIMIT = 17;
"""


def test_settings_comments_event_triggers_and_subscriptions_are_named() -> None:
    listed = contents(
        entry(1, "DATABASE", "shop", ""), entry(2, "DATABASE PROPERTIES", "shop", "", PROPERTIES),
        entry(3, "COMMENT", "DATABASE shop", ""), entry(8, "ACL", "DATABASE shop", ""), entry(4, "EVENT TRIGGER", "watch", ""),
        entry(5, "SUBSCRIPTION", "from a", ""), entry(6, "SUBSCRIPTION", "from b", ""), entry(7, "TABLE", "t"),
    )  # fmt: skip

    assert left_out(listed, Present()) == [
        "the comment of the database",
        'settings of the database (search_path, "app.key")',
        'settings of roles in the database ("an app")',
        "1 event trigger (watch)",
        "2 subscriptions (from a, from b)",
    ]


def test_an_extension_that_is_not_made_is_named_unless_it_is_there() -> None:
    listed = contents(entry(1, "EXTENSION", "pg_stat_statements", ""), entry(2, "EXTENSION", "hstore", ""))

    assert left_out(listed, Present()) == ["1 extension (pg_stat_statements)"]
    assert left_out(listed, Present(frozenset({"pg_stat_statements"}))) == []


def test_a_disabled_trigger_of_a_foreign_key_stays_enabled_and_is_named() -> None:
    name = "p1 RI_ConstraintTrigger_c_16402"
    internal = entry(
        1, "TRIGGER", name, "public", b'\nALTER TABLE public.p1 DISABLE TRIGGER "RI_ConstraintTrigger_c_16402";\n'
    )
    own = entry(
        2, "TRIGGER", name, "public", b'\nCREATE TRIGGER "RI_ConstraintTrigger_c_16402" BEFORE INSERT ON public.p1 ...'
    )
    listed = contents(internal, own)

    assert [one.number for one in listed.wanted(Present())] == [2]
    assert left_out(listed, Present()) == ["1 disabled trigger of a foreign key (p1)"]


def test_what_was_added_to_an_extension_by_hand_is_named() -> None:
    theirs = {
        ("hstore 1.8", "function f()"),
        ("hstore 1.8", "table public.mine"),
        ("cube 1.4", "type x"),
        ("seg 1.4", "type y"),
    }

    assert members_left_out(
        theirs, {("hstore 1.8", "function f()"), ("cube 1.5", "type z"), ("seg 1.4", "type y")}
    ) == ["1 member of an extension, added by hand (table public.mine)"]
    assert members_left_out(theirs, theirs) == []


def test_of_many_names_the_first_are_named() -> None:
    listed = contents(*(entry(number, "EVENT TRIGGER", f"e{number}", "") for number in range(1, 8)))

    assert left_out(listed, Present()) == ["7 event triggers (e1, e2, e3, e4, e5, and 2 more)"]


def test_rights_are_counted_by_object() -> None:
    table, ours = entry(1, "ACL", "TABLE t"), entry(2, "ACL", "SCHEMA _heroku", "_heroku")
    default = entry(3, "DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES")
    database = entry(4, "ACL", "DATABASE shop", ""), entry(5, "DATABASE PROPERTIES", "shop", "", PROPERTIES)

    assert rights_left_out(contents(entry(1, "TABLE", "t"), ours)) == ""
    assert rights_left_out(contents(table, table)) == "the rights of 1 object"
    assert rights_left_out(contents(table, default)) == "the rights of 1 object, 1 default right"
    assert rights_left_out(contents(*database)) == "the rights on the database, its connection limit"


def test_what_needs_a_superuser_is_out_of_reach_only_where_a_table_or_function_needs_it() -> None:
    wrapper, server = entry(1, "FOREIGN DATA WRAPPER", "w", ""), replace(entry(2, "SERVER", "far", ""), depends=(1,))
    table = replace(entry(3, "FOREIGN TABLE", "t"), depends=(2,))
    view = replace(entry(4, "VIEW", "v"), depends=(3, 99))

    assert out_of_reach(contents(wrapper, server), refused=(), is_superuser=False) == ""
    assert out_of_reach(contents(view, table, server, wrapper), refused=(), is_superuser=True) == ""
    assert (
        out_of_reach(contents(wrapper, server, table, view), refused=(), is_superuser=False)
        == "FOREIGN DATA WRAPPER w, which affects FOREIGN TABLE public.t, VIEW public.v"
    )


def test_a_table_that_needs_a_refused_extension_is_out_of_reach() -> None:
    listed = contents(
        entry(1, "EXTENSION", "postgres_fdw", ""), entry(2, "EXTENSION", "hstore", ""),
        replace(entry(3, "TABLE", "t"), depends=(2,)), replace(entry(4, "COMMENT", "EXTENSION postgres_fdw", ""), depends=(1,)),
    )  # fmt: skip

    assert out_of_reach(listed, refused=["postgres_fdw"], is_superuser=False) == ""
    assert (
        out_of_reach(listed, refused=["hstore"], is_superuser=False) == "EXTENSION hstore, which affects TABLE public.t"
    )
