"""Parameters in paths and queries: the format of numbers, and refusal of unknown parameters."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated

from fastapi import Path, Query, Request
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from changeover.errors import InvalidParams


def _plain_digits(value: object) -> object:
    """int() also accepts spaces, line breaks, signs, underscores and digits of other scripts."""
    if isinstance(value, str) and not re.fullmatch("0|[1-9][0-9]*", value):
        raise PydanticCustomError("int_parsing", "Write it as a whole number in plain digits")
    return value


PLAIN_DIGITS = BeforeValidator(_plain_digits)
RunNumber = Annotated[int, Path(ge=1, le=2**63 - 1, description="The number of a run"), PLAIN_DIGITS]
"""With the bounds of its column."""
Milliseconds = Annotated[int, Query(ge=0, le=2**31), PLAIN_DIGITS]
STRICT = "/changeover/v1/"
"""Our own routes. Like Heroku, those of Heroku's API ignore unknown parameters."""


def require_known_query(request: Request) -> None:
    """Every parameter must be known, have a value, and be given once. Raises InvalidParams."""
    route = request.scope["route"]
    if not route.path.startswith(STRICT):
        return
    known = sorted(parameter.alias for parameter in route.dependant.query_params)
    given = request.query_params.multi_items()
    for name, times in Counter(name for name, _ in given).items():
        if name not in known:
            raise InvalidParams(
                f"This route has no query parameter {name[:40]!r}.",
                why=f"Its parameters are: {', '.join(known)}." if known else "It has no parameters.",
                fix="Correct its name, or leave it out.",
            )
        if times > 1:
            raise InvalidParams(f"The query parameter {name} is given {times} times.", fix="Give it once.")
    if empty := [name for name, value in given if not value]:
        raise InvalidParams(f"The query parameter {empty[0]} is empty.", fix="Give it a value, or leave it out.")
