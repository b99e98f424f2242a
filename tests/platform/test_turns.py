"""Turns: one account's waiting is not in another's way."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from changeover.errors.requests import TooManyQuestions
from changeover.platform.leases import ANSWER_S, LONG_S, MOST_LONG, MOST_LONG_OF_ACCOUNT, Questions
from changeover.platform.turns import Turns

pytestmark = pytest.mark.asyncio


def turns(most_of_account: int, most: int, patience_s: float = 30) -> Turns:
    return Turns(most_of_account, most, patience_s, TooManyQuestions)


async def test_an_account_at_its_limit_does_not_hold_up_another() -> None:
    both, mine, other = turns(2, 8), uuid4(), uuid4()
    async with both.taken_by(mine), both.taken_by(mine):
        waiting = asyncio.ensure_future(hold(both, mine))
        await hold(both, other)

        assert not waiting.done()
    await waiting


async def test_who_waits_too_long_is_told_the_limit() -> None:
    few = turns(1, 8, patience_s=0)
    mine = uuid4()
    async with few.taken_by(mine):
        with pytest.raises(TooManyQuestions, match="too many database servers"):
            await hold(few, mine)


async def test_a_queue_that_is_full_refuses_at_once() -> None:
    few, mine = Turns(1, 8, 30, TooManyQuestions, most_waiting=0), uuid4()
    async with few.taken_by(mine):
        with pytest.raises(TooManyQuestions):
            await hold(few, mine)


async def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    few, mine, other = turns(1, 1), uuid4(), uuid4()
    async with few.taken_by(mine):
        waiting = [asyncio.ensure_future(hold(few, one)) for one in (mine, other)]
        await asyncio.sleep(0)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    await hold(few, other)
    assert few == turns(1, 1)


async def test_long_questions_leave_the_short_ones_their_turns() -> None:
    questions, inside = Questions(), 0
    is_over = asyncio.Event()

    async def ask_long(account: UUID) -> None:
        nonlocal inside
        async with questions.lasting(LONG_S + 1).taken_by(account):
            inside += 1
            await is_over.wait()

    asked = [asyncio.ensure_future(ask_long(account)) for account in (uuid4() for _ in range(8)) for _ in range(8)]
    await asyncio.sleep(0)  # each of them takes its turn or begins to wait

    async with asyncio.timeout(ANSWER_S), questions.lasting(ANSWER_S).taken_by(uuid4()):
        assert inside == min(8 * MOST_LONG_OF_ACCOUNT, MOST_LONG)
    is_over.set()
    await asyncio.gather(*asked)
    assert questions == Questions()


async def test_accounts_together_can_not_use_what_another_one_needs() -> None:
    """However many they are, and however many of their requests wait."""
    few, is_over = turns(8, 16), asyncio.Event()
    crowd = [
        asyncio.ensure_future(hold(few, account, is_over)) for account in (uuid4() for _ in range(20)) for _ in range(9)
    ]
    await asyncio.sleep(0)

    async with asyncio.timeout(ANSWER_S):
        await hold(few, uuid4())
    is_over.set()
    await asyncio.gather(*crowd)
    assert few == turns(8, 16)


async def test_the_account_with_the_fewest_turns_comes_next() -> None:
    few, order = turns(8, 3), list[str]()
    ends = {name: [asyncio.Event() for _ in range(4)] for name in ("many", "one")}
    many, one = uuid4(), uuid4()

    async def enter(name: str, account: UUID, end: asyncio.Event) -> None:
        async with few.taken_by(account):
            order.append(name)
            await end.wait()

    held = [asyncio.ensure_future(enter("many", many, end)) for end in ends["many"]]
    held += [asyncio.ensure_future(enter("one", one, ends["one"][0]))]
    await asyncio.sleep(0)
    late = [asyncio.ensure_future(enter("late many", many, ends["many"][1])) for _ in range(5)]
    await asyncio.sleep(0)
    late += [asyncio.ensure_future(enter("late one", one, ends["one"][1]))]
    await asyncio.sleep(0)
    assert order == ["many"] * 4 + ["one"]

    ends["many"][3].set()
    await held[3]
    await asyncio.sleep(0)

    assert order[5:] == ["late one"]
    for end in (*ends["many"], *ends["one"]):
        end.set()
    await asyncio.gather(*held, *late)
    assert few == turns(8, 3)


async def test_who_gives_up_in_the_moment_of_its_turn_passes_it_on() -> None:
    few, mine = turns(1, 1), uuid4()
    async with few.taken_by(mine):
        waiting = [asyncio.ensure_future(hold(few, mine)) for _ in range(2)]
        await asyncio.sleep(0)
    waiting[0].cancel()

    await waiting[1]
    await asyncio.gather(*waiting, return_exceptions=True)
    assert few == turns(1, 1)


async def hold(of: Turns, account: UUID, until: asyncio.Event | None = None) -> None:
    async with of.taken_by(account):
        if until is not None:
            await until.wait()
