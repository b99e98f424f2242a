"""Comparisons of one account take turns."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from changeover.changeovers.verification import comparing
from changeover.changeovers.verification.comparing import LOOK_S, MOST_OF_ACCOUNT, WAITS_S, Comparisons, look_again_s
from changeover.runs.run import Run


async def test_one_that_waits_for_its_turn_looks_again_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    async def compare(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(comparing, "compare", compare)
    account, nowhere, comparisons = uuid4(), cast(Any, None), Comparisons(())
    runs = [
        cast(Run, SimpleNamespace(id=number, row=SimpleNamespace(epoch=1, account_id=account)))
        for number in range(MOST_OF_ACCOUNT + 1)
    ]
    looks = [(await comparisons.look(run, nowhere, nowhere, is_quick=True))[0] for run in runs]

    assert [look_again_s(look) for look in looks] == [LOOK_S] * MOST_OF_ACCOUNT + [WAITS_S]
    for run in runs:
        comparisons.forget(run)
