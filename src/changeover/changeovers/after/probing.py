"""The old side of a changeover is probed until it is destroyed: can a client write there, and which ones tried?

A fence that has gone is put back while the target leads: rows that are written on both sides can't be brought together.
Where the target is gone as well, the old side is what is left, and stays as it was found.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from changeover.changeovers.sessions import counted_by_client
from changeover.engines.engine import Server
from changeover.errors import ChangeoverError
from changeover.platform.scope import Parts, Scope
from changeover.platform.servers import holding_server, server_of
from changeover.postgres.refusals import Refusal, Refusals, merged
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow, OldSideRow
from changeover.store.rows import Addon, Database

log = logging.getLogger(__name__)

MOST_NAMED = 20
IN_HAND_S = 10.0
"""How long to wait for a server that is busy: its keeper may be looking at it."""


@dataclass(frozen=True)
class OldSide:
    """What is known of it. `refused`: the clients that tried to log in, over all looks."""

    finding: str
    probed_at: datetime
    fenced_at: datetime | None
    breach: dict[str, Any] | None
    breaches: int
    refused: tuple[Refusal, ...]


async def probe_old_sides(parts: Parts, pool: AsyncConnectionPool[Any]) -> None:
    """One round over all that are on this host. One that can't be probed is tried again in the next."""
    async with pool.connection() as db:
        rows = await query.rows(db, ChangeoverRow, "old_sides.to_probe", host=parts.host)
    for row in rows:
        try:
            await _probe(parts, pool, row)
        except ChangeoverError as error:
            log.warning("the source of changeover %s is not probed: %s", row.run_id, error.message)


async def look_at_old_side(scope: Scope, row: ChangeoverRow) -> OldSide | None:
    """Tried just now, with what earlier looks found; writes nothing. None before the switch, and once it is destroyed."""
    db, parts = scope.db, scope.parts
    source = await query.one(db, Database, "databases.find", addon_id=row.source_id)
    if source is None or row.switched_at is None:
        return None
    server, now = await server_of(db, source.server_name), datetime.now(UTC)
    former = await query.one(db, OldSideRow, "old_sides.find", run_id=row.run_id)
    known = await query.rows(db, Refusal, "old_sides.refusals", run_id=row.run_id)
    async with scope.asking():
        finding, fresh = await _look(parts, server), await _refused_since(parts, server, former)
    return OldSide(
        finding=finding, probed_at=now, fenced_at=now if finding == "fenced" else former.fenced_at if former else None,
        breach=former.breach if former else None, breaches=former.breaches if former else 0,
        refused=tuple(merged([*known, *fresh.those])),
    )  # fmt: skip


async def _probe(parts: Parts, pool: AsyncConnectionPool[Any], row: ChangeoverRow) -> None:
    async with pool.connection() as db:
        source = await query.one(db, Database, "databases.find", addon_id=row.source_id)
        server = await server_of(db, source.server_name) if source else None
        former = await query.one(db, OldSideRow, "old_sides.find", run_id=row.run_id)
    if server is None:
        return
    now, breach = datetime.now(UTC), None
    finding = await _look(parts, server)
    if finding == "open":
        breach = await _answer_breach(parts, pool, row, server, former)
        finding = "fenced" if breach["is_put_back"] else "open"
    fresh = await _refused_since(parts, server, former)
    is_new = breach is not None and (former is None or former.finding != "open")
    async with pool.connection() as db:
        await query.execute(
            db, "old_sides.put", run_id=row.run_id, probed_at=now, finding=finding,
            fenced_at=datetime.now(UTC) if finding == "fenced" else None, breach=Jsonb(breach) if breach else None,
            breaches=int(is_new), read_until=fresh.read_until,
        )  # fmt: skip
        for one in fresh.those:
            await query.execute(db, "old_sides.count_refusals", run_id=row.run_id, **vars(one))


async def _look(parts: Parts, server: Server) -> str:
    """`fenced`: a login was refused just now. `down`: it does not answer, and comes back with its fence. Otherwise `open`."""
    if await parts.engine.fence_stands(server):
        return "fenced"
    is_up = (await parts.engine.health(server)).state == "available"
    if is_up and await parts.engine.fence_stands(server):  # it was just starting
        return "fenced"
    return "down" if not is_up and parts.engine.fenced_by(server) is not None else "open"


async def _answer_breach(
    parts: Parts, pool: AsyncConnectionPool[Any], row: ChangeoverRow, server: Server, former: OldSideRow | None
) -> dict[str, Any]:
    """Put the fence back where that is safe. What was found and done, for people to read."""
    since = former.fenced_at if former and former.fenced_at else row.switched_at
    breach: dict[str, Any] = {
        "since": since.isoformat() if since else None, "found_at": datetime.now(UTC).isoformat(), "is_put_back": False,
        "ended": [], "because": "",
    }  # fmt: skip
    try:
        breach |= await _put_back(parts, pool, row, server)
    except ChangeoverError as error:
        breach["because"] = error.message
    log.error(
        "%s, which changeover %s left for %s, could be written to, at most since %s; its fence %s; inside: %s",
        row.source_name, row.run_id, row.target_name, breach["since"],
        "is put back" if breach["is_put_back"] else f"is NOT put back: {breach['because']}", breach["ended"] or "nobody",
    )  # fmt: skip
    return breach


async def _put_back(parts: Parts, pool: AsyncConnectionPool[Any], row: ChangeoverRow, server: Server) -> dict[str, Any]:
    """Raises FenceFailed, ServerUnreachable."""
    async with pool.connection() as db, holding_server(db, server.name, within_s=IN_HAND_S) as is_ours:
        target = await query.one(db, Addon, "addons.find", key=str(row.target_id))
        if target is None or target.state != "provisioned":
            return {"because": f"{row.target_name}, which took over from it, is gone: this may be all that is left."}
        if not is_ours:
            return {"because": "Another process is working on this server."}
        fenced = await parts.engine.fence_again(server, f"{row.run_id} again")
    return {"is_put_back": True, "ended": counted_by_client(fenced.ended)[:MOST_NAMED]}


async def _refused_since(parts: Parts, server: Server, former: OldSideRow | None) -> Refusals:
    return await asyncio.to_thread(parts.engine.refused_at_fence, server, former.read_until if former else "")
