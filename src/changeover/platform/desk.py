"""The single entry point for every surface: authenticates the caller and provides a transaction for the request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from changeover.errors import ChangeoverError, Forbidden, Reported, RunCancelled, Unauthorized
from changeover.platform.accounts import bearer_of_token
from changeover.platform.auditing import Act, Distinct, Strangers, find_subject, record_done, record_failed
from changeover.platform.leases import Lease, Left, Questions
from changeover.platform.needs import Needs, TokenNeed, require_token, token_grants
from changeover.platform.progress import wait_for_end, wait_for_run
from changeover.platform.rights import require
from changeover.platform.scope import Parts, Scope
from changeover.runs.run import Workflow
from changeover.store import query
from changeover.store.changes import Changes
from changeover.store.rows import App, RunRow

PATIENCE_S = 20.0
"""How long a request waits for a run that usually ends within a second (destroy, unfollow)."""


@dataclass
class Desk:
    """One per process."""

    pool: AsyncConnectionPool[Any]
    parts: Parts
    workflows: Mapping[str, Workflow]
    changes: Changes = field(default_factory=Changes)
    questions: Questions = field(default_factory=Questions)
    strangers: Strangers = field(default_factory=Strangers)
    distinct: Distinct = field(default_factory=Distinct)

    @asynccontextmanager
    async def open(
        self, token: str, needs: Needs, act: Act, left: Left | None = None, *, only_looks: bool = False
    ) -> AsyncIterator[Scope]:
        """The scope of a request with these needs. Commits at the end, then schedules the runs that were started.

        Records what it did or was refused in the audit trail. Raises Unauthorized, and Forbidden if the token's scopes don't
        allow it.
        """
        scope: Scope | None = None
        lease = Lease(self.pool, self.questions, left)
        try:
            async with lease as db:
                bearer = await bearer_of_token(db, token)
                grants = token_grants(bearer.scopes)
                scope = Scope(
                    db=db, caller=bearer.account, parts=self.parts, needs=needs, grants=grants, bearer=bearer,
                    lease=lease,
                )  # fmt: skip
                if needs.token not in grants:
                    await _require_permission(scope, act)
                require_token(grants, needs, bearer.scopes)
                yield scope
                if not only_looks:
                    await record_done(scope, act, self.distinct)
        except ChangeoverError as error:
            await self._record_failed(scope, act, error)
            raise
        await scope.finish()

    async def _record_failed(self, scope: Scope | None, act: Act, error: ChangeoverError) -> None:
        """Only for known callers, and only what would be recorded on success or was refused."""
        is_refused = isinstance(error, Forbidden)
        if scope is None or scope.bearer is None or not (is_refused or act.is_recorded(scope.needs)):
            return
        async with self.pool.connection() as db:
            await record_failed(db, scope, act, is_refused=is_refused, error=error.id, distinct=self.distinct)

    async def check_token(self, token: str, address: str) -> UUID:
        """The id of the token's account. Raises Unauthorized.

        For what must be known before a request is read. `open` checks again.
        """
        try:
            async with self.pool.connection() as db:
                return (await bearer_of_token(db, token)).account.id
        except Unauthorized:
            await self.strangers.note(self.pool, address)
            raise

    async def stay_for(self, run: RunRow, *, most_s: float = PATIENCE_S) -> bool:
        """Whether the run finished while the caller waited. Raises the run's error."""
        return await wait_for_run(self.pool, self.changes, run.id, most_s=most_s)

    async def stay_for_end(self, run: RunRow, *, most_s: float) -> bool:
        """Whether the run ended, successfully or not, while the caller waited."""
        return (await wait_for_end(self.pool, self.changes, run.id, most_s=most_s)).finished_at is not None

    async def stay_for_removal(self, run: RunRow) -> bool:
        """Like `stay_for`, but a cancelled run counts as finished: it has removed what it created."""
        try:
            return await self.stay_for(run)
        except Reported as ended:
            if ended.id == RunCancelled.id:
                return True
            raise


async def _require_permission(scope: Scope, act: Act) -> None:
    """If the account lacks the permission, another token would not help, so report that first. Raises Forbidden."""
    if scope.needs.app is None or TokenNeed.READ not in scope.grants:
        return
    await find_subject(scope.db, scope, act)
    app = await query.one(scope.db, App, "apps.find", key=str(scope.about[0])) if scope.about else None
    if app is not None:
        await require(scope, app)
