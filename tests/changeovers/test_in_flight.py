"""A pause that has begun goes on to its end, whoever is told to stop meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from changeover.changeovers.in_flight import finish_even_if_cancelled, until_none_is_under_way


async def test_a_cancelled_caller_leaves_and_the_pause_goes_on_to_its_end() -> None:
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        begun.set()
        await may_end.wait()
        ended.set()

    caller = asyncio.create_task(finish_even_if_cancelled(pause()))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    stopping = asyncio.create_task(until_none_is_under_way())
    done, _ = await asyncio.wait({stopping}, timeout=0.05)

    assert not done
    may_end.set()
    await asyncio.wait_for(stopping, timeout=5)
    assert ended.is_set()


async def test_nobody_waits_where_no_pause_is_under_way() -> None:
    await asyncio.wait_for(until_none_is_under_way(), timeout=1)


async def test_what_a_pause_raises_reaches_its_caller() -> None:
    async def pause() -> None:
        raise ValueError("not quiet")

    with pytest.raises(ValueError, match="not quiet"):
        await finish_even_if_cancelled(pause())
    await until_none_is_under_way()
