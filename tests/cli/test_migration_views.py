"""How a migration looks on a terminal: names that look alike, and statements to copy. Pure."""

from __future__ import annotations

import pytest

from changeover.cli.migration_views import _next, excluded

NOTHING: dict[str, list[str]] = {"schemas": [], "tables": [], "extensions": [], "mentioned_by": []}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (["shop", "orders"], "shop.orders"),
        (["a", "b.c"], 'a."b.c"'),
        (["a.b", "c"], '"a.b".c'),
        (["A b", 'it"s'], '"A b"."it""s"'),
        (["a", "b\nc"], 'a."b\\nc"'),
    ],
)
def test_names_that_could_be_mistaken_are_quoted(name: list[str], shown: str) -> None:
    assert excluded({**NOTHING, "tables": [name]}) == [f"1 tables, views and sequences: {shown}"]


def test_the_statement_that_gives_the_source_back_can_be_pasted_into_a_session_of_it() -> None:
    told = _next({"status": "done", "hold": "read-only", "source": 'my "shop" on db:5432 as owner'})

    assert told is not None
    assert told.endswith(
        'SET default_transaction_read_only = off; ALTER DATABASE "my ""shop""" RESET default_transaction_read_only'
    )


@pytest.mark.parametrize("seen", [{"status": "failed", "hold": "read-only"}, {"status": "done", "hold": "none"}])
def test_where_nothing_is_left_to_do_nothing_is_said(seen: dict[str, str]) -> None:
    assert _next(seen) is None
