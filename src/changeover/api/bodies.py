"""Reads request bodies. Like Heroku, accepts a name as a string, `{id}` or `{name}`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from changeover.api.strict_json import parse_object
from changeover.errors import InvalidParams

Fields = dict[str, Any]
LONGEST_TEXT = 20_000
LONGEST_ADDRESS = 450_000
"""Room for certificates: a provider's bundle has up to 200 kB."""
LARGEST_WHOLE = 2**31 - 1


async def read_fields(request: Request) -> Fields:
    """The body as an object. An empty body is an empty object. Raises BadRequest, and the errors of reading it."""
    fields: Fields = parse_object(await request.body())
    request.state.fields = fields
    return fields


Body = Annotated[Fields, Depends(read_fields)]


def named(fields: Fields, key: str) -> str | None:
    """A name or id, given as a string or as an object. None if absent."""
    value = fields.get(key)
    if isinstance(value, dict):
        value = value.get("id") or value.get("name")
    return text(key, value)


def required(fields: Fields, key: str) -> str:
    """Like `named`. Raises InvalidParams if absent."""
    value = named(fields, key)
    if not value:
        raise InvalidParams(f"The request must have {key}.")
    return value


def address(fields: Fields, key: str) -> str:
    """Like `required`, with room for certificates."""
    value = fields.get(key)
    found = text(key, value, most=LONGEST_ADDRESS) if isinstance(value, str) else named(fields, key)
    if not found:
        raise InvalidParams(f"The request must have {key}.")
    return found


def text(key: str, value: Any, *, most: int = LONGEST_TEXT) -> str | None:
    """None if empty or absent. Raises InvalidParams if it is not a string, or too long."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidParams(f"{key} must be a string.")
    if len(value) > most:
        raise InvalidParams(f"{key} is too long.", why=f"It has {len(value):,} characters, but {most:,} are allowed.")
    return value


def flag(fields: Fields, key: str) -> bool | None:
    """True, false, or None if absent. Also accepts "true" and "false". Raises InvalidParams."""
    value = fields.get(key)
    if value is None or isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise InvalidParams(f"{key} must be true or false.")


def whole(fields: Fields, key: str, *, most: int = LARGEST_WHOLE) -> int | None:
    """A number, also as a string (like `expires_in`). Raises InvalidParams."""
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(most)):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise InvalidParams(f"{key} must be a whole number, at most {most}.")


def texts(fields: Fields, key: str) -> tuple[str, ...] | None:
    """A list of texts. Raises InvalidParams."""
    given = fields.get(key)
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise InvalidParams(f"{key} must be a list of texts.")
    return tuple(given)


def patterns(fields: Fields) -> dict[str, tuple[str, ...] | None]:
    """The options that select a part of a database. Raises InvalidParams."""
    return {key: texts(fields, key) for key in ("exclude_tables", "exclude_schemas", "only_schemas")}
