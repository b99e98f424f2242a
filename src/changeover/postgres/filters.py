"""Patterns that select a part of a database, like those of psql and pg_dump. Pure.

`*` stands for any characters, `?` for one. Letters outside double quotes are folded to lower case. Inside quotes, characters
are literal and `""` is one quote. A dot outside quotes separates schema and name. Unlike in psql, nothing else is special.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from changeover.errors import InvalidParams

LONGEST: Final = 300
MOST: Final = 200
NEVER: Final = re.compile("[\0\ud800-\udfff]")
"""Characters that no name contains."""
ANY, ONE = object(), object()
Glob = tuple[object, ...]
"""Characters, ANY and ONE."""


@dataclass(frozen=True)
class Filters:
    """Empty selects everything. Raises InvalidParams for an invalid pattern."""

    exclude_tables: tuple[str, ...] = ()
    """`SCHEMA.TABLE`, or `TABLE` in schema public; views, materialized views, foreign tables and sequences as well."""
    exclude_schemas: tuple[str, ...] = ()
    only_schemas: tuple[str, ...] = ()
    """If given, only these schemas, minus what is excluded."""

    def __post_init__(self) -> None:
        for one in fields(self):
            patterns = getattr(self, one.name)
            if len(patterns) > MOST:
                raise InvalidParams(f"{one.name} has {len(patterns)} patterns; at most {MOST} are allowed.")
            for text in patterns:
                table_pattern(text) if one.name == "exclude_tables" else schema_pattern(text)

    def __bool__(self) -> bool:
        return bool(self.exclude_tables or self.exclude_schemas or self.only_schemas)

    @classmethod
    def of(cls, given: Mapping[str, Sequence[str]]) -> Filters:
        """From JSON, or an object's fields; others are ignored."""
        return cls(**{one.name: tuple(given.get(one.name) or ()) for one in fields(cls)})

    def as_dict(self) -> dict[str, Any]:
        return {one.name: list(getattr(self, one.name)) for one in fields(self)}


def schema_pattern(text: str) -> Glob:
    """Raises InvalidParams."""
    parts = _parts(text)
    if len(parts) != 1:
        raise _invalid(text, "A schema pattern has one part.", "Put a name with a dot in double quotes: '\"a.b\"'.")
    return parts[0]


def table_pattern(text: str) -> tuple[Glob, Glob]:
    """The patterns for the schema and for the name. Raises InvalidParams."""
    parts = _parts(text)
    if len(parts) > 2:
        raise _invalid(text, "It has more than one dot.", "Write SCHEMA.TABLE. Put a name with a dot in double quotes.")
    return (tuple("public"), parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def is_match(glob: Glob, name: str) -> bool:
    """Takes at most time proportional to the product of both lengths: on a mismatch, only the last star backtracks."""
    at = place = 0
    star, after = -1, 0
    while place < len(name):
        if at < len(glob) and glob[at] is ANY:
            star, after, at = at, place, at + 1
        elif at < len(glob) and (glob[at] is ONE or glob[at] == name[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            after += 1
            at, place = star + 1, after
        else:
            return False
    return all(one is ANY for one in glob[at:])


def _parts(text: str) -> list[Glob]:
    if not 0 < len(text) <= LONGEST or NEVER.search(text):
        raise _invalid(text[:LONGEST], f"It must have 1 to {LONGEST} characters, in UTF-8 and without NUL.", "")
    parts: list[list[object]] = [[]]
    at, is_quoted = 0, False
    while at < len(text):
        char = text[at]
        if char == '"' and is_quoted and text[at + 1 : at + 2] == '"':
            parts[-1].append('"')
            at += 1
        elif char == '"':
            is_quoted = not is_quoted
        elif is_quoted:
            parts[-1].append(char)
        elif char == ".":
            parts.append([])
        else:
            parts[-1].append({"*": ANY, "?": ONE}.get(char, char.lower() if char.isascii() else char))
        at += 1
    if is_quoted:
        raise _invalid(text, "A double quote is not closed.", "Double a quote that is part of a name.")
    if not all(parts):
        raise _invalid(text, "A name in it is empty.", "Write SCHEMA.TABLE.")
    return [tuple(part) for part in parts]


def _invalid(text: str, why: str, fix: str) -> InvalidParams:
    return InvalidParams(f"Invalid name pattern: {text!r}.", why=why, fix=fix)
