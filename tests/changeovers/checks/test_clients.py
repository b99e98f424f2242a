"""Who is connected to a source and must be pointed to the target."""

from __future__ import annotations

import asyncio

from tests.changeovers.checks.fix_grounds import Pair, asked, connected, results
from tests.engines.fix_host import until

from changeover.changeovers.checks import CHECKS, check
from changeover.changeovers.checks.asking import ask, opened
from changeover.changeovers.checks.clients import Client, ClientSample


async def test_clients_are_listed_by_application_user_and_address(pair: Pair) -> None:
    owner = pair.as_owner(pair.source)
    with (
        connected(owner, application_name="shop") as _,
        connected(owner, application_name="shop") as _,
        connected(pair.source, application_name="report") as _,
    ):
        checked = await check(pair.source, sample_s=0.3)

    assert [(one.application, one.user, one.address, one.most_at_once, one.seen_in_percent) for one in checked.clients] == [
        ("report", "changeover", "socket", 1, 100), ("shop", pair.owner, "127.0.0.1", 2, 100),
    ]  # fmt: skip
    assert next(one.what for one in checked.findings if one.id == "C27").startswith("2 kinds of clients")


async def test_a_client_that_comes_and_goes_is_seen_in_the_sample(pair: Pair) -> None:
    checking = asyncio.create_task(check(pair.source, sample_s=1.5))

    async def is_looking() -> bool:
        return bool(pair.ground.run("SELECT 1 FROM pg_stat_activity WHERE application_name = 'changeover check'"))

    await until(is_looking)
    with connected(pair.source, application_name="nightly"):
        await asyncio.sleep(0.7)  # longer than from one look to the next

    checked = await checking

    assert [(one.application, one.seen_in_percent < 100) for one in checked.clients] == [("nightly", True)]


async def test_a_login_that_may_not_see_clients_does_not_say_there_are_none(pair: Pair) -> None:
    with connected(pair.source, application_name="secret"):
        checked = await check(pair.as_owner(pair.source), sample_s=0)

    assert checked.verdict == "unknown"
    assert [one.id for one in checked.findings if one.result == "unknown"] == ["S15", "C26", "C27"]
    assert [one.address for one in checked.clients] == ["hidden"]
    (hidden,) = [one for one in checked.findings if one.id == "C27"]
    assert (hidden.result, hidden.fix) == ("unknown", f'GRANT pg_read_all_stats TO "{pair.owner}";')


async def test_advisory_locks_and_listeners_are_told(pair: Pair) -> None:
    with (
        connected(pair.source, application_name="cron") as locker,
        connected(pair.source, application_name="mail") as listener,
    ):
        locker.execute("SELECT pg_advisory_lock(1)")
        listener.execute("LISTEN orders")

        told = await asked("C26", pair.source)

    assert [one.what for one in told] == [
        "These clients hold advisory locks: cron (changeover).", "These clients use LISTEN: mail (changeover).",
    ]  # fmt: skip


async def test_more_clients_than_the_target_takes_fail_the_check(pair: Pair) -> None:
    async with opened(pair.source, pair.target) as look:
        look.sample = ClientSample((Client("shop", "u", "192.0.2.1", most_at_once=60, seen_in_percent=100),))

        assert results(await ask(CHECKS["T10"], look)) == ["failed"]


async def test_writes_while_one_looks_are_counted(pair: Pair) -> None:
    pair.here("CREATE TABLE orders (a int)")
    with connected(pair.source) as writer:
        checking = asyncio.create_task(check(pair.source, sample_s=1.5))
        while not checking.done():
            writer.execute("INSERT INTO orders VALUES (1)")
            await asyncio.sleep(0.02)

    (quiet,) = [one for one in (await checking).findings if one.id == "C28"]
    assert not quiet.what.startswith("0 commits")
