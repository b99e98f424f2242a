"""A target whose login is no superuser, as those of providers are: what it can't give or make is named."""

from __future__ import annotations

import asyncio

from tests.postgres.snapshot.conftest import Pair

from changeover.changeovers.verification.named import unnamed
from changeover.postgres.comparing.databases import compare


def as_ordinary_login(pair: Pair) -> None:
    pair.on_target("CREATE ROLE pair_plain LOGIN PASSWORD 'x'; ALTER DATABASE THIS OWNER TO pair_plain")
    pair.target = pair.target.with_(user="pair_plain", password="x")


def test_an_owner_whom_the_login_is_no_member_of_is_told(pair: Pair) -> None:
    """The superuser is on both servers. Its things belong to the login there, so that owners can't be compared."""
    pair.make("CREATE TABLE mine (id int); GRANT SELECT ON mine TO PUBLIC; INSERT INTO mine VALUES (1)")
    as_ordinary_login(pair)
    pair.move()
    found = asyncio.run(compare(pair.source, pair.target, compares_owners=False, properties_decide=False))

    assert pair.report["owners_lost"] == ["changeover"]
    assert sum("Owners and rights are not compared" in note for note in pair.notes) == 1
    assert found.differences == []


def test_rights_and_event_triggers_that_the_login_may_not_make_are_known_as_missing(pair: Pair) -> None:
    pair.make("GRANT SELECT (rolname) ON pg_authid TO PUBLIC;"
              "CREATE FUNCTION heard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
              "CREATE EVENT TRIGGER listens ON ddl_command_end EXECUTE FUNCTION heard(); CREATE TABLE t (id int)")  # fmt: skip
    as_ordinary_login(pair)
    pair.move()
    found = asyncio.run(compare(pair.source, pair.target, compares_owners=False, properties_decide=False))

    assert {"event trigger listens", 'acl pg_catalog.COLUMN "pg_authid"."rolname"'} <= set(pair.report["not_brought"])
    assert {one.thing for one in found.differences} == {"event trigger listens"}
    assert unnamed(found, pair.report["not_brought"]) == []
