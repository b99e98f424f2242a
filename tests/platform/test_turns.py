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


async def hold(of: Turns, account: UUID) -> None:
    async with of.taken_by(account):
        pass
