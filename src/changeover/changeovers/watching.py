"""What people see of a changeover live: who is in the way of the pause; and afterwards, who still tries the old address."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from changeover.changeovers.people import Seen
from changeover.errors import ServerUnreachable
from changeover.platform.scope import Scope
from changeover.platform.servers import server_of
from changeover.store import query
from changeover.store.rows import Database

LONG_S = 1.0


async def in_the_way(scope: Scope, seen: Seen) -> list[str]:
    """Transactions on the source that are open for longer than a second; empty once it is past the point of no return."""
    source = await query.one(scope.db, Database, "databases.find", addon_id=seen.row.source_id)
    if source is None or seen.run.finished_at is not None or seen.run.is_past_return:
        return []
    try:
        traffic = await scope.parts.engine.traffic(await server_of(scope.db, source.server_name), source.database_name)
    except ServerUnreachable as down:
        return [down.what]
    return [str(one) for one in traffic.in_transaction if one.transaction_s > LONG_S]


@dataclass(frozen=True)
class OldSide:
    """The source, as long as it is there. `refused`: who tried to enter it."""

    is_fenced: bool
    refused: list[str]


async def old_side(scope: Scope, seen: Seen) -> OldSide | None:
    """Probed anew each time; None before the switch, and once the source is destroyed."""
    source = await query.one(scope.db, Database, "databases.find", addon_id=seen.row.source_id)
    if source is None or seen.row.switched_at is None:
        return None
    server, engine = await server_of(scope.db, source.server_name), scope.parts.engine
    return OldSide(await engine.fence_stands(server), await asyncio.to_thread(engine.refused_at_fence, server))
