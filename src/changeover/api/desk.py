"""From a request to the platform's desk: whose token it carries, and what its answer should warn of."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

from changeover.api.rules import needs_of
from changeover.errors import Unauthorized
from changeover.platform.desk import Desk
from changeover.platform.scope import Scope


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


@asynccontextmanager
async def opened(request: Request) -> AsyncIterator[Scope]:
    """The caller's scope, with what the route needs; what it changed is committed when the block ends.

    Raises Unauthorized; Forbidden where the token's scope does not allow this route.
    """
    async with desk_of(request).open(token_of(request), needs_of(request)) as scope:
        yield scope
    request.state.warnings = scope.warnings


def token_of(request: Request) -> str:
    return token_in(request.headers.get("authorization", ""))


def token_in(authorization: str) -> str:
    """From `Bearer TOKEN`, or the password of Basic (the official CLI sends credentials requests so)."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer" and rest:
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            raise Unauthorized("The Basic credentials can't be read.") from None
    raise Unauthorized
