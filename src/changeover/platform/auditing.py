"""The audit trail: who did what, when, from where. Acts are recorded in their own transaction, refusals in a separate one.

Plain reads are not recorded. Reads of secrets, failures and refusals are merged by the minute, so that a client that repeats
them can't fill the disk.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg_pool import AsyncConnectionPool

from changeover.platform.apps import list_apps
from changeover.platform.needs import AppNeed, Needs, TokenNeed
from changeover.platform.rights import may_access
from changeover.platform.scope import Scope
from changeover.store import query
from changeover.store.access_rows import AuditRow
from changeover.store.query import Db
from changeover.store.rows import Addon, App

ACTS = (TokenNeed.WRITE, TokenNeed.WRITE_PROTECTED, TokenNeed.GLOBAL)
MOST_LISTED = 1000
MINUTE_S = 60
LONGEST_PATH = LONGEST_RESOURCE = 200
MOST_DISTINCT = 60
"""How many different refusals, failures and reads of a token are recorded separately per minute. Others merge by route."""


@dataclass
class Act:
    """A request, before its caller is known."""

    method: str
    route: str
    path: str
    address: str
    asked: str = ""
    """What the body requests, without secrets."""
    app_key: str | None = None
    addon_key: str | None = None
    """Names in the path or the body. They are looked up if the request was refused before its handler did so."""
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    is_done_in_part: bool = False
    """Whether a part of it was committed. A later failure then changes that event."""

    @property
    def action(self) -> str:
        return f"{self.method} {self.route}"

    def is_recorded(self, needs: Needs) -> bool:
        """Whether it is recorded on success: it changes something, or reads secrets."""
        return self.changes(needs) or needs.token is TokenNeed.READ_PROTECTED

    def changes(self, needs: Needs) -> bool:
        return self.method != "GET" and needs.token in ACTS


async def record_done(scope: Scope, act: Act, distinct: Distinct | None = None) -> None:
    """In the transaction of the act, so that both are committed or neither."""
    if scope.bearer is None or not act.is_recorded(scope.needs):
        return
    act.is_done_in_part = act.changes(scope.needs)
    merges_as = act.request_id if act.is_done_in_part else None
    await _record(scope.db, scope, act, "done", merges_as=merges_as, distinct=distinct)


async def record_failed(
    db: Db, scope: Scope, act: Act, *, is_refused: bool, error: str, distinct: Distinct | None = None
) -> None:
    """In a separate transaction, because that of the act was rolled back."""
    merges_as = act.request_id if act.is_done_in_part else None
    await find_subject(db, scope, act)
    outcome = "refused" if is_refused else "failed"
    await _record(db, scope, act, outcome, error=error, merges_as=merges_as, distinct=distinct)


async def find_subject(db: Db, scope: Scope, act: Act) -> None:
    """The subject of a request that ended before it was looked up, for example because of its token's scope."""
    if scope.about is None and act.app_key:
        app = await query.one(db, App, "apps.find", key=act.app_key)
        scope.about = (app.id, app.name) if app else None
    if scope.about is None and act.addon_key:
        addon = await query.one(db, Addon, "addons.find", key=act.addon_key)
        scope.about = (addon.app_id, addon.app_name) if addon else None
        scope.resource = scope.resource or act.addon_key


@dataclass
class Distinct:
    """Distinguishes events within a minute up to a limit, so that a client that varies its requests can't fill the disk."""

    _minute: int = 0
    _seen: dict[object, set[str]] = field(default_factory=dict)

    def key(self, authorization_id: object, fine: str, coarse: str) -> str:
        """The key for counting equal events: `fine`, or `coarse` after too many different ones in this minute."""
        minute = int(time.time()) // MINUTE_S
        if minute != self._minute:
            self._minute, self._seen = minute, {}
        known = self._seen.setdefault(authorization_id, set())
        key = f"{coarse} {hashlib.sha256(fine.encode()).hexdigest()} {minute}"
        if key not in known and len(known) >= MOST_DISTINCT:
            return f"{coarse} {minute}"
        known.add(key)
        return key


async def _record(
    db: Db, scope: Scope, act: Act, outcome: str, *, error: str | None = None, merges_as: str | None = None,
    distinct: Distinct | None = None,
) -> None:  # fmt: skip
    bearer = scope.bearer
    if bearer is None:
        return
    app_id, app = scope.about or (None, None)
    resource = (scope.resource or act.asked)[:LONGEST_RESOURCE] or None
    coarse = f"{bearer.authorization_id} {act.action} {outcome} {error}"
    fine = f"{act.path} {app_id} {scope.resource} {act.asked}"
    equal = (distinct or Distinct()).key(bearer.authorization_id, fine, coarse)
    await query.execute(
        db, "audit.record",
        account_id=bearer.id, email=bearer.email, authorization_id=bearer.authorization_id, action=act.action,
        path=act.path[:LONGEST_PATH], app_id=app_id, app=app, address=act.address, request_id=act.request_id,
        resource=resource, outcome=outcome, error=error, times=1, merges_as=merges_as or equal,
    )  # fmt: skip


@dataclass
class Strangers:
    """Requests without a valid token. They are counted, and recorded at most once a minute."""

    times: int = 0
    recorded_at: float = 0.0

    async def note(self, pool: AsyncConnectionPool[Any], address: str) -> None:
        """`address` is the newest one. The event has the number of requests since the last event."""
        self.times += 1
        now = time.monotonic()
        if self.recorded_at and now - self.recorded_at < MINUTE_S:
            return
        times, self.times, self.recorded_at = self.times, 0, now
        async with pool.connection() as db:
            await query.execute(
                db, "audit.record",
                account_id=None, email=None, authorization_id=None, action="authenticate", path="", app_id=None, app=None,
                address=address, request_id=None, resource=None, outcome="refused", error="unauthorized", times=times,
                merges_as=f"strangers {uuid.uuid4()}",
            )  # fmt: skip


async def list_events(scope: Scope, app: App | None, most: int) -> Sequence[AuditRow]:
    """The newest first: the caller's own events and those of apps that they manage. All for the operator."""
    is_operator = scope.caller.is_operator
    apps = [] if is_operator else [
        one.id for one in await list_apps(scope) if await may_access(scope, one.id, AppNeed.MANAGE)
    ]  # fmt: skip
    return await query.rows(
        scope.db, AuditRow, "audit.visible",
        app_id=app.id if app else None, caller=None if is_operator else scope.caller.id, apps=apps,
        most=min(most, MOST_LISTED),
    )  # fmt: skip


async def forget_old_events(pool: AsyncConnectionPool[Any], days: int) -> None:
    """Remove events older than that."""
    async with pool.connection() as db:
        await query.execute(db, "audit.forget", days=days)
