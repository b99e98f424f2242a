"""The sessions that are in the way of a pause, as of now. What becomes of the old side: after/probing.py."""

from __future__ import annotations

from changeover.changeovers.requests import Changeover
from changeover.errors import ServerUnreachable
from changeover.platform.scope import Scope
from changeover.platform.servers import server_of
from changeover.store import query
from changeover.store.rows import Database

LONG_S = 1.0


async def in_the_way(scope: Scope, found: Changeover) -> list[str]:
    """Transactions on the source that are open for longer than a second; empty once it is past the point of no return."""
    source = await query.one(scope.db, Database, "databases.find", addon_id=found.row.source_id)
    if source is None or found.run.finished_at is not None or found.run.is_past_return:
        return []
    server = await server_of(scope.db, source.server_name)
    try:
        async with scope.asking():
            traffic = await scope.parts.engine.traffic(server, source.database_name)
    except ServerUnreachable as down:
        return [down.what]
    return [str(one) for one in traffic.in_transaction if one.transaction_s > LONG_S]
