"""Reading request bodies leniently, as Heroku does: a thing is named by a string, `{id}` or `{name}`."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, Request

from changeover.errors import BadRequest, InvalidParams

Fields = dict[str, Any]


async def read_fields(request: Request) -> Fields:
    """The body as an object; an empty body is an empty object. Raises BadRequest."""
    raw = await request.body()
    if not raw.strip():
        return {}
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise BadRequest("The request body is no JSON.", why=str(error)) from None
    if not isinstance(found, dict):
        raise BadRequest("The request body must be a JSON object.")
    return found


Body = Annotated[Fields, Depends(read_fields)]


def named(fields: Fields, key: str) -> str | None:
    """A name or id, given as a string or as an object that has one; None when absent."""
    value = fields.get(key)
    if isinstance(value, dict):
        value = value.get("id") or value.get("name")
    return text(key, value)


def required(fields: Fields, key: str) -> str:
    """As `named`. Raises InvalidParams when absent."""
    value = named(fields, key)
    if not value:
        raise InvalidParams(f"The request must name {key}.")
    return value


def text(key: str, value: Any) -> str | None:
    """Raises InvalidParams for what is neither a string nor absent."""
    if value is None or (isinstance(value, str) and value == ""):
        return None
    if not isinstance(value, str):
        raise InvalidParams(f"{key} must be a text.")
    return value


def flag(fields: Fields, key: str) -> bool | None:
    """True, false or (absent) None; "true" and "false" are taken as well. Raises InvalidParams."""
    value = fields.get(key)
    if value is None or isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise InvalidParams(f"{key} must be true or false.")


def whole(fields: Fields, key: str) -> int | None:
    """A number, also given as a text (`expires_in` arrives so). Raises InvalidParams."""
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, str) and value.isdigit():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise InvalidParams(f"{key} must be a whole number.")
