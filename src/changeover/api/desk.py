"""From a request to the platform's desk: whose token it carries, and what its answer should warn of."""

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
    """The caller's scope, with what the route needs; what it changed is committed when the block ends.

    `only_looks`: the request does its act in a later one; until then there is nothing for the audit trail.
    Raises Unauthorized; Forbidden where the token's scope does not allow this route.
    """
    left = functools.partial(_left, request)
    async with desk_of(request).open(
        token_of(request), needs_of(request), act_of(request), left, only_looks=only_looks
    ) as scope:
        yield scope
    request.state.warnings = scope.warnings


def act_of(request: Request) -> Act:
    """The same one for the whole request, however often it opens a scope."""
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
    """Returns once the client has gone; to be awaited after the body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


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
