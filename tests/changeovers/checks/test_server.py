"""What a source's server can be, or do just now, that speaks against moving from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.changeovers.checks.fix_grounds import Pair, asked, connected, results
from tests.fix_provider import Elsewhere

from changeover.changeovers.checks import CHECKS, check
from changeover.changeovers.checks.asking import ask, opened
from changeover.errors import ServerUnreachable
from changeover.errors.elsewhere import CheckFailed, ConnectionLost, LoginRefused, NotTrusted
from changeover.postgres.progress import Progress
from changeover.postgres.reaching import SESSION


@pytest.mark.parametrize(
    ("identity", "says"),
    [
        ({"version_num": 110022, "version": "PostgreSQL 11.22"}, "too old"),
        ({"version_num": 900000, "version": "PostgreSQL 90.1"}, "newer than any installation here"),
        ({"version": "PostgreSQL 8.0.2, Redshift 1.0.2369"}, "Amazon Redshift"),
    ],
)
async def test_a_server_that_is_not_to_be_moved_from_fails_the_check(
    pair: Pair, identity: dict[str, Any], says: str
) -> None:
    (found,) = await asked("S1", pair.source, **identity)

    assert (found.result, says in found.what) == ("failed", True)


async def test_a_server_that_is_too_old_is_to_be_upgraded_first(pair: Pair) -> None:
    (old,) = await asked("S1", pair.source, pair.target, version_num=100023)

    assert old.fix.startswith("Upgrade it to")


async def test_a_32_bit_build_is_told(pair: Pair) -> None:
    assert results(await asked("S1", pair.source, is_32_bit=True)) == ["passed", "warning"]


async def test_the_same_database_twice_fails_the_check_whatever_it_is_called(pair: Pair) -> None:
    (same,) = await asked("S2", pair.source, pair.as_owner(pair.source))

    assert (same.result, same.what) == ("failed", "Source and target are the same database.")
    assert results(await asked("S2", pair.source, pair.target)) == ["passed"]


async def test_a_login_that_may_not_ask_for_the_identifier_is_told_apart_by_the_start(pair: Pair) -> None:
    """Some providers don't let one ask."""
    pair.here("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    source, target = pair.as_owner(pair.source), pair.target
    pair.there("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")

    found = await asked("S2", source, pair.as_owner(target)), await asked("S2", source, pair.as_owner(pair.source))
    pair.here("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
    pair.there("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")

    assert [results(one) for one in found] == [["warning"], ["warning", "failed"]]


async def test_a_login_that_may_ask_and_one_that_may_not_meet_the_same_database(pair: Pair) -> None:
    pair.here("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    found = await asked("S2", pair.source, pair.as_owner(pair.source))
    pair.here("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")

    assert results(found) == ["failed"]


async def test_a_physical_copy_is_told_from_its_original(pair: Pair) -> None:
    """It has the same identifier, and another start."""
    (copy,) = await asked("S2", pair.source, pair.source, started_at=datetime(2020, 1, 1, tzinfo=UTC))

    assert (copy.result, copy.what) == ("warning", "The target is a physical copy of the source.")


async def test_a_standby_as_source_is_warned_of(pair: Pair) -> None:
    assert results(await asked("S2", pair.source, is_in_recovery=True)) == ["warning"]


async def test_a_time_limit_of_the_login_is_told(pair: Pair) -> None:
    pair.here(f"ALTER ROLE {pair.owner} SET statement_timeout = '90s'")

    (limited,) = await asked("S9", pair.as_owner(pair.source))

    assert (limited.result, limited.fix) == ("warning", f'ALTER ROLE "{pair.owner}" SET statement_timeout = 0;')


async def test_a_lock_table_too_small_for_all_tables_fails_the_check(pair: Pair) -> None:
    """40 connections and 5 prepared transactions with 10 locks each."""
    pair.here("DO $$BEGIN FOR n IN 1..500 LOOP EXECUTE format('CREATE TABLE t%s ()', n); "
              "IF n % 50 = 0 THEN COMMIT; END IF; END LOOP; END$$")  # fmt: skip

    assert results(await asked("S11", pair.source, settings={"max_locks_per_transaction": "10"})) == ["failed"]
    assert results(await asked("S11", pair.source, settings={"max_locks_per_transaction": "20"})) == ["warning"]
    assert results(await asked("S11", pair.source)) == ["passed"]


async def test_too_few_free_connections_fail_the_check(pair: Pair) -> None:
    pair.here(f"ALTER ROLE {pair.owner} CONNECTION LIMIT 5")

    (few,) = await asked("S12", pair.as_owner(pair.source))

    assert (few.result, few.what.split(" free")[0]) == ("failed", "3 connections")


async def test_an_old_transaction_is_named_with_what_ends_it(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.changeovers.checks.server.LONG_S", 0)
    with connected(pair.source, application_name="report") as session:
        session.execute("BEGIN")
        session.execute("SELECT 1")
        pid = session.info.backend_pid
        (old,) = await asked("S15", pair.source)

    assert "report" in old.what
    assert old.fix == f"Let it end, or: SELECT pg_terminate_backend({pid});"


async def test_a_table_that_is_locked_against_reading_is_named(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does anything wait for it for ever."""
    monkeypatch.setitem(SESSION, "lock_timeout", "50ms")
    pair.here("CREATE TABLE busy (a int)")
    with connected(pair.source) as session:
        session.execute("BEGIN")
        session.execute("LOCK TABLE busy")

        (locked,) = await asked("S15", pair.source)
        checked = await check(pair.source, sample_s=0)

    assert checked.size is not None
    assert checked.size.tables == 1
    assert locked.what.startswith("public.busy is locked against reading")


async def test_a_database_near_wraparound_is_warned_of(pair: Pair) -> None:
    assert results(await asked("S17", pair.source, age=1_500_000_000)) == ["warning"]


async def test_unreadable_passwords_are_told_with_whose_they_are(pair: Pair) -> None:
    (unread,) = await asked("S21", pair.as_owner(pair.source))

    assert unread.what == f"Passwords can't be read: {pair.owner}."


async def test_a_check_that_lacks_a_right_is_unknown(pair: Pair) -> None:
    pair.here("REVOKE SELECT ON pg_largeobject_metadata FROM PUBLIC")

    (unseen,) = await asked("C5", pair.as_owner(pair.source))
    pair.here("GRANT SELECT ON pg_largeobject_metadata TO PUBLIC")

    assert (unseen.result, "permission denied" in unseen.why) == ("unknown", True)


async def test_a_check_that_waits_too_long_is_unknown(pair: Pair) -> None:
    """A table that is locked is waited for, but not for ever."""
    pair.here("CREATE TABLE texts (a text)")
    with connected(pair.source) as session:
        session.execute("BEGIN")
        session.execute("LOCK TABLE texts")
        async with opened(pair.source, pair.target) as look:
            await look.source.connection.execute("SET lock_timeout = '50ms'")
            look.source = replace(look.source, identity=replace(look.source.identity, encoding="SQL_ASCII"))
            (slow,) = await ask(CHECKS["C21"], look)

    assert (slow.result, slow.why.split(":")[0]) == ("unknown", "It took too long")


async def test_a_server_that_can_not_even_be_looked_at_is_an_error_in_words(pair: Pair) -> None:
    pair.here("REVOKE SELECT ON pg_settings FROM PUBLIC")
    with pytest.raises(CheckFailed) as refused:
        await check(pair.as_owner(pair.source), sample_s=0)
    pair.here("GRANT SELECT ON pg_settings TO PUBLIC")

    assert refused.value.why == "permission denied for view pg_settings"


async def test_a_connection_that_ends_in_the_middle_ends_the_checks(pair: Pair) -> None:
    """Half a report would say that the other half is well."""

    async def end_it(_: Progress) -> None:
        pair.here("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'changeover check'")

    with pytest.raises(ConnectionLost):
        await check(pair.source, sample_s=0, tell=end_it)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"password": "wrong"}, LoginRefused),
        ({"user": "nobody", "password": "x"}, LoginRefused),
        ({"port": "1"}, ServerUnreachable),
        ({"sslmode": "require"}, NotTrusted),
    ],
)
async def test_an_address_that_leads_nowhere_is_an_error_in_words(
    pair: Pair, changed: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error) as refused:
        await check(pair.as_owner(pair.source).with_(**changed), sample_s=0)

    assert "open sesame" not in str(vars(refused.value))


@pytest.mark.parametrize(
    ("address", "result"), [("127.0.0.1", "passed"), ("192.168.7.7", "warning"), ("8.8.8.8", "failed")]
)
async def test_an_unencrypted_line_through_the_internet_fails_the_check(pair: Pair, address: str, result: str) -> None:
    source = pair.as_owner(pair.source)

    assert results(await asked("S20", source, address=address)) == [result]


async def test_who_answers_should_be_proven(elsewhere: Elsewhere) -> None:
    encrypted = elsewhere.location.with_(sslmode="require", sslrootcert=None)

    assert results(await asked("S20", encrypted, address="8.8.8.8")) == ["warning", "passed"]
    assert results(await asked("S20", elsewhere.location, address="8.8.8.8")) == ["passed"]


async def test_a_certificate_that_ends_soon_is_told(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.changeovers.checks.line.SOON", timedelta(days=1000))

    assert results(await asked("S20", elsewhere.location)) == ["warning"]


async def test_a_certificate_that_can_not_be_seen_is_unknown(pair: Pair) -> None:
    """That server has none."""
    assert results(await asked("S20", pair.as_owner(pair.source), has_tls=True)) == ["unknown"]
