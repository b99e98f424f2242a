"""From a request to a scope: its token, and warnings for its answer."""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

from changeover.api.addresses import client_address, desk_of
from changeover.api.asked import asked_of, named_in
from changeover.api.rules import needs_of
from changeover.errors import Unauthorized
from changeover.platform.auditing import Act
from changeover.platform.scope import Scope


@asynccontextmanager
async def opened(request: Request, *, only_looks: bool = False) -> AsyncIterator[Scope]:
    """The caller's scope with the route's requirements. Changes are committed when the block ends.

    `only_looks`: the request acts in a later scope; until then, nothing is added to the audit trail.
    Raises Unauthorized, or Forbidden if the token's scope does not allow this route.
    """
    left = functools.partial(_left, request)
    async with desk_of(request).open(
        token_of(request), needs_of(request), act_of(request), left, only_looks=only_looks
    ) as scope:
        yield scope
    request.state.warnings = scope.warnings


def act_of(request: Request) -> Act:
    """The same act for the whole request, however often it opens a scope."""
    known: Act | None = getattr(request.state, "act", None)
    if known is None:
        route = getattr(request.scope.get("route"), "path", "")
        app, addon = named_in(request)
        known = request.state.act = Act(
            request.method, route, request.url.path, client_address(request), asked=asked_of(request), app_key=app,
            addon_key=addon,
        )  # fmt: skip
    return known


async def _left(request: Request) -> None:
    """Returns when the client has disconnected. Call it after the body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def token_of(request: Request) -> str:
    return token_in(request.headers.get("authorization", ""))


def token_in(authorization: str) -> str:
    """From `Bearer TOKEN`, or the password of Basic, which the official CLI uses for credentials."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer" and rest:
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            raise Unauthorized("The Basic credentials can't be decoded.") from None
    raise Unauthorized
