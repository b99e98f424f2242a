"""JSON with limits: one object of limited depth, whose strings PostgreSQL can store and whose numbers are finite.

Python's own parser accepts more: NaN, numbers of any length, duplicate keys, halves of surrogate pairs.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from changeover.errors import BadRequest

MOST_DEPTH = 32
LONGEST_NUMBER = 20
"""Maximum number of digits. Enough for every bigint of PostgreSQL."""


def parse_object(raw: bytes) -> dict[str, Any]:
    """An empty body is an empty object. Raises BadRequest."""
    if not raw.strip():
        return {}
    try:
        found = json.loads(
            raw, object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
        )
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise BadRequest("The request body is not valid JSON.", why=str(error)) from None
    if not isinstance(found, dict):
        raise BadRequest("The request body must be a JSON object.")
    _require_storable(found)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"a number has more than {LONGEST_NUMBER} digits")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _require_storable(found: dict[str, Any]) -> None:
    """Level by level, without recursion. Raises BadRequest."""
    level: list[Any] = [found]
    for _ in range(MOST_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.keys())
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str):
                _require_text(value)
        if not below:
            return
        level = below
    raise _too_deep()


def _require_text(value: str) -> None:
    if "\x00" in value:
        raise BadRequest("The request body has a string with a NUL character.", why="PostgreSQL can't store it.")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise BadRequest("The request body has a string with half of a surrogate pair.", why="It is not valid Unicode.")


def _too_deep() -> BadRequest:
    return BadRequest("The request body is nested too deeply.", why=f"At most {MOST_DEPTH} levels are allowed.")
