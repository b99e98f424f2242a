"""Copies of one account take turns: each is a program of its own, which holds no slot."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from changeover.changeovers.methods.snapshot import copying
from changeover.changeovers.methods.snapshot.copying import LOOK_S, MOST_OF_ACCOUNT, WAITS_S, Copies, look_again_s
from changeover.runs.run import Run


async def test_one_account_has_so_many_copies_at_work_and_another_one_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Path] = []

    async def start(_job: object, work: Path, **_: object) -> None:
        started.append(work)

    monkeypatch.setattr(copying, "start", start)
    monkeypatch.setattr(copying, "processes", lambda work: [work] if work in started else [])
    monkeypatch.setattr(Copies, "_job", lambda *_: None)
    copies, anna, bert = Copies(cast(Any, SimpleNamespace(home=tmp_path))), uuid4(), uuid4()
    accounts = [*[anna] * (MOST_OF_ACCOUNT + 1), bert]
    runs = [
        cast(Run, SimpleNamespace(id=number, row=SimpleNamespace(account_id=account)))
        for number, account in enumerate(accounts)
    ]
    nothing = cast(Any, None)
    looks = [(await copies.look(run, nothing, nothing))[0] for run in runs]

    assert [look_again_s(look) for look in looks] == [*[LOOK_S] * MOST_OF_ACCOUNT, WAITS_S, LOOK_S]
    assert len(started) == MOST_OF_ACCOUNT + 1
