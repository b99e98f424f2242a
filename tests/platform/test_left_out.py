"""What a restore leaves out of an archive is named, without the values of settings."""

from __future__ import annotations

from tests.platform.test_transfers import contents, entry

from changeover.platform.transfers.archive import Present
from changeover.platform.transfers.left_out import left_out, rights_left_out

PROPERTIES = b"""ALTER DATABASE shop SET search_path TO 'app', 'public';
ALTER DATABASE shop SET "app.key" TO 'secret
ALTER DATABASE';
ALTER ROLE "an app" IN DATABASE shop SET work_mem TO '7MB';
ALTER ROLE "an app" IN DATABASE shop SET search_path TO 'app';
"""


def test_settings_comments_event_triggers_and_subscriptions_are_named() -> None:
    listed = contents(
        entry(1, "DATABASE", "shop", ""), entry(2, "DATABASE PROPERTIES", "shop", "", PROPERTIES),
        entry(3, "COMMENT", "DATABASE shop", ""), entry(4, "EVENT TRIGGER", "watch", ""),
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


def test_of_many_names_the_first_are_named() -> None:
    listed = contents(*(entry(number, "EVENT TRIGGER", f"e{number}", "") for number in range(1, 8)))

    assert left_out(listed, Present()) == ["7 event triggers (e1, e2, e3, e4, e5, and 2 more)"]


def test_rights_are_counted_by_object() -> None:
    assert rights_left_out(contents(entry(1, "TABLE", "t"), entry(2, "ACL", "SCHEMA _heroku", "_heroku"))) == ""
    assert rights_left_out(contents(entry(1, "ACL", "TABLE t"), entry(2, "ACL", "TABLE t"))) == "1 object"
    assert (
        rights_left_out(contents(entry(1, "ACL", "TABLE t"), entry(2, "DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES")))
        == "1 object and 1 default"
    )
