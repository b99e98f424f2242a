"""Patterns of names: as psql's where it matters, never anything else than text, and never slow."""

from __future__ import annotations

import pytest

from changeover.errors import InvalidParams
from changeover.postgres.filters import Filters, is_match, schema_pattern, table_pattern


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("log", "log"), ("LOG", "log"), ('"LOG"', "LOG"), ("l*", "log"), ("*", ""), ("l?g", "log"), ("*o*g", "loooog"),
        ('"a.b"', "a.b"), ('"a""b"', 'a"b'), ('a"B"c', "aBc"), ('"*"', "*"), ("é", "é"), ('"a\nb"', "a\nb"),
        ("a+", "a+"), ("[ab]", "[ab]"), ("a|b", "a|b"), ("$1", "$1"), ("ab*ab", "abab"),
    ],
)  # fmt: skip
def test_a_pattern_matches_a_name(pattern: str, name: str) -> None:
    assert is_match(schema_pattern(pattern), name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("log", "logs"), ("log", "LOG"), ('"log"', "LOG"), ("l?g", "lg"), ('"l*"', "log"), ("a+", "aa"), (".", "x"), ("[ab]", "a"),
     ("a|b", "a"), ("ab*ab", "aab"), ("*a", "ab")],
)  # fmt: skip
def test_a_pattern_does_not_match_another_name(pattern: str, name: str) -> None:
    try:
        assert not is_match(schema_pattern(pattern), name)
    except InvalidParams:
        assert pattern == "."


def test_a_table_without_a_schema_is_one_of_schema_public() -> None:
    schema, name = table_pattern("orders")
    assert is_match(schema, "public")
    assert not is_match(schema, "publics")
    assert is_match(name, "orders")


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a.b.c", '"a', 'a"', "a\0b", "x" * 301, "\udc80"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(InvalidParams):
        Filters(exclude_tables=(text,))


def test_a_schema_has_one_name_and_there_are_not_too_many_patterns() -> None:
    with pytest.raises(InvalidParams) as refused:
        Filters(only_schemas=("a.b",))
    assert "double quotes" in refused.value.fix
    with pytest.raises(InvalidParams, match="201"):
        Filters(exclude_schemas=("a",) * 201)


def test_a_pattern_of_stars_takes_no_time() -> None:
    assert not is_match(schema_pattern("*a" * 140 + "*b"), "a" * 2000)
