"""Default privileges on the target that would give the copy other rights than the source has."""

from __future__ import annotations

from tests.changeovers.checks.fix_grounds import Pair, asked, results

SET = "ALTER DEFAULT PRIVILEGES FOR ROLE OWNER "
GIVEN = (
    "IN SCHEMA public GRANT INSERT, SELECT ON TABLES TO PUBLIC",
    "IN SCHEMA public GRANT USAGE ON SEQUENCES TO pg_monitor WITH GRANT OPTION",
    "GRANT SELECT ON TABLES TO pg_monitor",
    "GRANT USAGE ON SCHEMAS TO PUBLIC",
)
TAKEN = ("REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", "REVOKE USAGE ON TYPES FROM PUBLIC")


async def test_each_default_privilege_of_the_login_is_named_with_the_statement_that_ends_it(pair: Pair) -> None:
    target, given = pair.as_owner(pair.target), SET.replace("OWNER", pair.owner)
    assert results(await asked("T24", pair.source, target)) == ["passed"]
    pair.there(
        "CREATE SCHEMA other",
        *(given + one for one in (*GIVEN, *TAKEN)),
        given + "IN SCHEMA other GRANT SELECT ON TABLES TO PUBLIC",
    )

    found = await asked("T24", pair.source, target)
    for one in found:
        pair.there(one.fix.removeprefix("On the target: "))

    assert results(found) == ["failed"] * 6
    assert [one.fix.partition(pair.owner + " ")[2] for one in found] == [
        "IN SCHEMA public REVOKE INSERT, SELECT ON TABLES FROM PUBLIC;",
        "IN SCHEMA public REVOKE USAGE ON SEQUENCES FROM pg_monitor;",
        "REVOKE SELECT ON TABLES FROM pg_monitor;",
        "REVOKE USAGE ON SCHEMAS FROM PUBLIC;",
        "GRANT EXECUTE ON FUNCTIONS TO PUBLIC;",
        "GRANT USAGE ON TYPES TO PUBLIC;",
    ]
    assert results(await asked("T24", pair.source, target)) == ["passed"]
    assert pair.there("SELECT defaclobjtype FROM pg_default_acl WHERE defaclnamespace = 'public'::regnamespace") == []


async def test_default_privileges_of_other_roles_do_not_count(pair: Pair) -> None:
    pair.there(f"ALTER DEFAULT PRIVILEGES FOR ROLE {pair.owner} GRANT SELECT ON TABLES TO PUBLIC")
    try:
        assert results(await asked("T24", pair.source, pair.target)) == ["passed"]
        assert results(await asked("T24", pair.source, pair.as_owner(pair.target))) == ["failed"]
    finally:
        pair.there(f"ALTER DEFAULT PRIVILEGES FOR ROLE {pair.owner} REVOKE SELECT ON TABLES FROM PUBLIC")
