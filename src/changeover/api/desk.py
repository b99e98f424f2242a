"""Where a request becomes a Scope: who asks, in a transaction that is committed before the answer leaves."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from psycopg_pool import AsyncConnectionPool

from changeover.errors import Reported, RunCancelled, Unauthorized
from changeover.platform.accounts import account_of_token
from changeover.platform.progress import wait_for_run
from changeover.platform.scope import Parts, Scope
from changeover.runs.run import Workflow
from changeover.runs.ticks import Ticks
from changeover.store.rows import RunRow

PATIENCE_S = 20.0
"""How long a request stays for a run that usually ends within a second (destroy, unfollow)."""


@dataclass
class Desk:
    """One for the whole process; handlers get it by `Depends`."""

    pool: AsyncConnectionPool[Any]
    parts: Parts
    ticks: Ticks
    workflows: Mapping[str, Workflow]

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Scope]:
        """Raises Unauthorized. Commits at the end, then gives the ticks of the runs that were started."""
        token = token_of(request)
        async with self.pool.connection() as db:
            scope = Scope(db=db, caller=await account_of_token(db, token), parts=self.parts)
            yield scope
        request.state.warnings = scope.warnings
        for run in scope.started:
            await self.ticks.give(run.id, run.host)

    async def stay_for_removal(self, run: RunRow) -> bool:
        """As `stay_for`; a run that made something and was cancelled has removed it when it failed of that."""
        try:
            return await self.stay_for(run)
        except Reported as ended:
            if ended.id == RunCancelled.id:
                return True
            raise

    async def stay_for(self, run: RunRow) -> bool:
        """Whether the run was done while the caller waited. Raises what it failed of."""
        return await wait_for_run(self.pool, run.id, most_s=PATIENCE_S)


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(desk_of)]


def token_of(request: Request) -> str:
    """From `Bearer TOKEN`, or the password of Basic (the official CLI sends credentials requests so)."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and rest:
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            raise Unauthorized("The Basic credentials can't be read.") from None
    raise Unauthorized
