"""The Data API of a database: `pg:info`, `pg:wait`, `pg:unfollow`. The path accepts the add-on's id or name."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from changeover.api.addresses import desk_of
from changeover.api.desk import opened
from changeover.api.info_rows import behind_json, info_rows
from changeover.api.moments import spaced
from changeover.api.responses import raw
from changeover.api.views import Json
from changeover.errors import NotFound
from changeover.platform.databases import Description, describe, end_sessions, find_database, waiting
from changeover.platform.resolving import may_read_secrets
from changeover.platform.unfollowing import unfollow
from changeover.platform.urls import DatabaseUrl

router = APIRouter(prefix="/client/v11/databases")


def view(seen: Description, *, with_secrets: bool) -> Json:
    """`following` is the leader's URL, `leader` its name. The official CLI tests the first and prints the second.

    Without the permission for secrets, addresses have no user and password.
    """
    url = seen.url if with_secrets else DatabaseUrl(seen.url.host, seen.url.port, seen.url.database)
    leader_url = seen.leader_url if with_secrets or not seen.leader_url else seen.leader_url.bare
    facts, follows = seen.facts, seen.leader is not None
    return {
        "addon_id": str(seen.addon.id),
        "name": seen.addon.name,
        "heroku_resource_id": f"{seen.addon.id}@changeover.local",
        "plan": seen.addon.plan,
        "created_at": spaced(seen.addon.created_at),
        "postgres_version": facts.version if facts else None,
        "resource_url": str(url),
        "database_name": seen.url.database,
        "database_user": url.user,
        "database_password": url.password,
        "port": seen.url.port,
        "following": str(leader_url) if leader_url else None,
        "leader": seen.leader.addon_name if seen.leader else None,
        "forked_from": seen.database.forked_from,
        "is_in_recovery?": seen.health.is_in_recovery if seen.health.is_in_recovery is not None else follows,
        "hot_standby?": follows,
        "standalone?": not follows,
        "waiting?": False,
        "available_for_ingress": seen.health.state == "available",
        "credentials": seen.credentials,
        "num_bytes": facts.data_bytes if facts else None,
        "num_tables": facts.tables if facts else None,
        "num_connections": facts.connections if facts else None,
        "num_connections_waiting": 0,
        "current_transaction": None,
        "target_transaction": None,
        "formation": {"id": seen.database.server_name, "primary": None},
        "behind_by": behind_json(seen.behind) if follows else None,
        "info": info_rows(seen),
    }


@router.get("/{key}", response_model=None)
async def show(request: Request, key: str) -> Json | Response:
    async with opened(request) as scope:
        addon, database = await find_database(scope, key)
        if addon.state == "provisioning":
            return raw(NotFound(f"{addon.name} is being created.", fix="Wait for it: `changeover addons:wait`."))
        with_secrets = await may_read_secrets(scope, addon)
        return view(await describe(scope, addon, database), with_secrets=with_secrets)


@router.get("/{key}/wait_status")
async def wait_status(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        found = await waiting(scope, key)
        answer: dict[str, Any] = {"waiting?": found.is_waiting, "message": found.message}
        if found.is_error:
            answer["error?"] = True
        if found.percent is not None:
            answer["percent"] = found.percent
        if found.step:
            answer["step"] = found.step
        return answer


@router.put("/{key}/unfollow")
async def start_unfollowing(request: Request, key: str) -> Json:
    """Answers when the database accepts writes, because scripts rely on that."""
    async with opened(request) as scope:
        addon, database = await find_database(scope, key)
        run = await unfollow(scope, addon, database)
    is_done = await desk_of(request).stay_for(run)
    return {"message": "unfollowed" if is_done else "unfollowing", "run": run.id}


@router.post("/{key}/connection_reset")
async def reset_connections(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        _, database = await find_database(scope, key)
        return {"message": f"{await end_sessions(scope, database)} connections terminated"}


@router.get("/{key}/bastion")
async def bastion(request: Request, key: str) -> Json:
    """None, because the address of a private database can be reached directly."""
    async with opened(request) as scope:
        await find_database(scope, key)
        return {}
