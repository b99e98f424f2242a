"""The hold by poolers: their clients wait inside the pause itself (cut_over.py), for milliseconds. No app is stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from changeover.changeovers.checks.finding import Finding
from changeover.changeovers.checks.ours import finding
from changeover.changeovers.holds.hold import Held
from changeover.engines.pooler import PoolerFacts
from changeover.errors import ServerUnreachable
from changeover.platform.pooling import is_pooled, poolers_of
from changeover.platform.scope import Scope
from changeover.runs.run import Run
from changeover.store.changeover_rows import ChangeoverRow
from changeover.store.rows import Addon, Attachment


class Pooled:
    """Nothing is held outside the pause: PgBouncer's PAUSE and RESUME are phases of it, for every hold with poolers."""

    says = "clients of the pooler wait; no dyno is stopped"

    async def plan(self, scope: Scope, source: Addon, attachments: Sequence[Attachment]) -> list[Finding]:
        return [await _of_pooler(scope, source, attachments)]

    async def take(self, _run: Run, _row: ChangeoverRow) -> Held:
        return Held()

    async def let_go(self, _run: Run, _row: ChangeoverRow) -> Held:
        return Held()

    async def release(self, _run: Run, _row: ChangeoverRow) -> Held:
        return Held()


async def _pooler_facts(scope: Scope, source: Addon) -> PoolerFacts:
    """Of the oldest that runs; where none does, of the one that would be started."""
    found, poolers = [], await poolers_of(scope.db, source.id)
    for pooler in poolers:
        with contextlib.suppress(ServerUnreachable):
            async with scope.asking(), scope.parts.poolers.console(pooler) as console:
                found.append(console.facts)
    return min(found, key=lambda one: one.version, default=None) or scope.parts.poolers.facts()


async def _of_pooler(scope: Scope, source: Addon, mine: Sequence[Attachment]) -> Finding:
    if not any(is_pooled(one.namespace) for one in mine):
        return finding(
            "pooler", "failed", f"No app reaches {source.name} through a pooler, so nothing would wait.",
            f"`changeover pg:connection-pooling:attach {source.name}` makes one; have your app use its URL. "
            "Or choose --hold maintenance.",
        )  # fmt: skip
    facts = await _pooler_facts(scope, source)
    version = ".".join(map(str, facts.version))
    if not facts.has_prepared_statements:
        return finding(
            "prepared_statements", "warning", f"PgBouncer {version} knows no prepared statements in transaction mode.",
            "Clients must not prepare: psycopg prepare_threshold=None; asyncpg statement_cache_size=0, and each of its "
            "statements in a transaction: it parses and executes in two turns, which may reach two connections of the "
            "server. PgBouncer 1.21 and newer can (CHANGEOVER_PGBOUNCER names a build of your own).",
        )  # fmt: skip
    return finding("prepared_statements", "passed", f"PgBouncer {version} carries prepared statements along.")
