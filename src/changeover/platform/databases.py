"""What is known about a database: its state, size, leader, followers and lag. Reads only."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from changeover.engines.engine import Behind, DatabaseFacts, Health, Server
from changeover.errors import NotFound, ServerUnreachable
from changeover.platform.catalogue import Plan
from changeover.platform.environment import database_url
from changeover.platform.pooling import pooling_status
from changeover.platform.progress import run_under_way
from changeover.platform.readings import reading_of
from changeover.platform.resolving import find_addon
from changeover.platform.scope import Parts, Scope
from changeover.platform.servers import server_of
from changeover.platform.urls import DatabaseUrl
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow
from changeover.store.rows import Addon, CredentialRow, Database


@dataclass(frozen=True)
class Description:
    """A database as `pg:info` shows it. `facts` and `behind` are None if currently unknown."""

    addon: Addon
    database: Database
    plan: Plan
    url: DatabaseUrl
    health: Health
    facts: DatabaseFacts | None
    leader: Database | None
    leader_url: DatabaseUrl | None
    behind: Behind | None
    followers: Sequence[Database]
    credentials: int
    moved_to: str | None
    """The database that replaced it in a changeover. Clients may no longer use this one."""
    is_fenced: bool
    pooling: str

    @property
    def status(self) -> str:
        """One word, with the reason if it isn't available."""
        if self.moved_to is not None:
            return f"{'Fenced' if self.is_fenced else 'NOT FENCED'} (moved to {self.moved_to})"
        if self.health.state == "available":
            return "Available"
        because = self.database.trouble or self.health.because
        return f"Unavailable ({because})" if because else "Unavailable"


@dataclass(frozen=True)
class Waiting:
    """The result of `pg:wait`."""

    is_waiting: bool
    message: str
    is_error: bool = False
    percent: int | None = None
    step: str | None = None


async def find_database(scope: Scope, key: str) -> tuple[Addon, Database]:
    """By add-on name or id. Raises NotFound, Forbidden."""
    addon = await find_addon(scope, key)
    database = await query.one(scope.db, Database, "databases.find", addon_id=addon.id)
    if database is None:
        raise NotFound(f"{addon.name} is not a database.", resource="add_on")
    return addon, database


async def describe(scope: Scope, addon: Addon, database: Database) -> Description:
    """Queries the running servers. If one doesn't answer, the description has no values from it."""
    reading = await reading_of(scope.db, scope.parts, database)
    leader = await _leader_of(scope, database)
    followers = await query.rows(scope.db, Database, "databases.followers", addon_id=addon.id)
    credentials = await query.rows(scope.db, CredentialRow, "databases.credentials", addon_id=addon.id)

    async def facts() -> DatabaseFacts | None:
        try:
            return await reading.facts()
        except ServerUnreachable:
            return None

    servers = await _servers_of(scope, database, leader)
    description = Description(
        addon=addon,
        database=database,
        plan=scope.parts.catalogue.plan_of(addon.service, addon.plan),
        url=await database_url(scope.db, scope.parts.cipher, database),
        health=Health("unknown"),
        facts=None,
        leader=leader,
        leader_url=await database_url(scope.db, scope.parts.cipher, leader) if leader else None,
        behind=None,
        followers=followers,
        credentials=len(credentials),
        moved_to=await _moved_to(scope, database),
        is_fenced=await _is_fenced(scope, database),
        pooling=await pooling_status(scope.db, scope.parts, database),
    )
    async with scope.asking():
        seen_health, seen_facts, seen_behind = await asyncio.gather(
            reading.health(), facts(), _behind(scope.parts, servers)
        )
    return replace(description, health=seen_health, facts=seen_facts, behind=seen_behind)


async def _servers_of(scope: Scope, database: Database, leader: Database | None) -> tuple[Server, Server] | None:
    """The server of a follower and that of its leader. None if it isn't a follower."""
    if leader is None:
        return None
    return await server_of(scope.db, database.server_name), await server_of(scope.db, leader.server_name)


async def _behind(parts: Parts, servers: tuple[Server, Server] | None) -> Behind | None:
    if servers is None:
        return None
    try:
        return await parts.engine.behind(*servers)
    except ServerUnreachable:
        return None


async def _moved_to(scope: Scope, database: Database) -> str | None:
    """None if the target is gone and this one is not fenced: then it is the only one left."""
    moved = await query.one(scope.db, ChangeoverRow, "changeovers.moved_from", source_id=database.addon_id)
    if moved is None:
        return None
    target = await query.one(scope.db, Addon, "addons.find", key=str(moved.target_id))
    return moved.target_name if target is not None or await _is_fenced(scope, database) else None


async def _is_fenced(scope: Scope, database: Database) -> bool:
    """According to its files. The probe of old sides proves it."""
    if database.is_external:
        return False
    return scope.parts.engine.fenced_by(await server_of(scope.db, database.server_name)) is not None


async def waiting(scope: Scope, key: str) -> Waiting:
    """The progress of creating a database. Raises NotFound if it never existed."""
    try:
        addon, database = await find_database(scope, key)
    except NotFound as error:
        if error.why:
            return Waiting(is_waiting=False, is_error=True, message=error.message)
        raise
    run = await run_under_way(scope, addon.name)
    if addon.state == "provisioning" and run is not None and run.status == "undoing":
        said = str((run.error or {}).get("message") or run.waits_because)
        return Waiting(
            is_waiting=False,
            is_error=True,
            message=f"{said}\nThe parts of {addon.name} that were created are being removed.",
        )
    if addon.state == "provisioning" and run is not None:
        share = f"{run.percent}% completed" if run.percent is not None else run.waits_because or "0% completed"
        return Waiting(is_waiting=True, message=f"preparing ({share})", percent=run.percent, step=run.step)
    if run is not None and run.kind == "unfollow":
        return Waiting(is_waiting=True, message="unfollowing", step=run.step)
    reading = await reading_of(scope.db, scope.parts, database)
    async with scope.asking():
        health = await reading.health()
    if health.state == "available":
        return Waiting(is_waiting=False, message="available")
    return Waiting(is_waiting=True, message=database.trouble or health.because or health.state)


async def end_sessions(scope: Scope, database: Database) -> int:
    """End all client sessions and return their number. Raises ServerUnreachable."""
    reading = await reading_of(scope.db, scope.parts, database)
    async with scope.asking():
        return await reading.end_sessions()


async def credentials_of(scope: Scope, addon: Addon) -> Sequence[CredentialRow]:
    return await query.rows(scope.db, CredentialRow, "databases.credentials", addon_id=addon.id)


async def _leader_of(scope: Scope, database: Database) -> Database | None:
    if database.leader_id is None:
        return None
    return await query.one(scope.db, Database, "databases.find", addon_id=database.leader_id)
