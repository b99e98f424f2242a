"""Who waits for a run asks one question, and has the answer when it has ended."""

from __future__ import annotations

import httpx2
from tests.fix_things import Things

ENDS = "/changeover/v1/runs/ends"


def test_a_mark_that_nobody_has_given_out_is_answered_with_another(api: httpx2.Client) -> None:
    mark = api.get(ENDS).json()["mark"]

    assert mark
    assert api.get(ENDS, params={"after": "0"}).json()["mark"] != "0"


def test_a_run_that_ends_makes_another_mark(things: Things, api: httpx2.Client) -> None:
    mark = api.get(ENDS).json()["mark"]
    things.database(things.app())

    assert api.get(ENDS, params={"after": mark}).json()["mark"] != mark
