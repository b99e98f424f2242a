"""Tokens in addition to the operator's."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request

from changeover.api.bodies import Body, text, whole
from changeover.api.desk import opened, token_of
from changeover.api.moments import iso
from changeover.api.views import Json
from changeover.errors import InvalidParams, NotFound
from changeover.platform import accounts
from changeover.platform.scope import Scope
from changeover.platform.things import Authorization

router = APIRouter(prefix="/oauth")


async def view(scope: Scope, authorization: Authorization, token: str | None = None) -> Json:
    """The full `token` is only in the answer that created it."""
    owner = await accounts.find_account(scope.db, str(authorization.account_id))
    expires_at = authorization.expires_at
    left = max(0, int((expires_at - datetime.now(UTC)).total_seconds())) if expires_at else None
    return {
        "id": str(authorization.id),
        "access_token": {
            "id": str(authorization.id), "token": token or authorization.token_hint, "expires_in": left, "version": 1,
        },
        "client": None,
        "created_at": iso(authorization.created_at),
        "description": authorization.description,
        "grant": None,
        "refresh_token": None,
        "scope": authorization.scope,
        "session": None,
        "updated_at": iso(authorization.updated_at),
        "user": {"id": str(owner.id), "email": owner.email, "full_name": None},
    }  # fmt: skip


@router.get("/authorizations")
async def index(request: Request) -> list[Json]:
    async with opened(request) as scope:
        return [await view(scope, one) for one in await accounts.list_authorizations(scope)]


@router.post("/authorizations", status_code=201)
async def create(request: Request, body: Body) -> Json:
    scopes = ["global"] if body.get("scope") is None else body["scope"]
    if not isinstance(scopes, list) or not scopes or not all(isinstance(one, str) for one in scopes):
        raise InvalidParams("scope must be a list of at least one string.")
    async with opened(request) as scope:
        made, token = await accounts.authorize(
            scope,
            description=text("description", body.get("description")) or "Long-lived user authorization",
            lifetime_s=whole(body, "expires_in"),
            scopes=scopes,
            user=text("user", body.get("user")),
        )
        return await view(scope, made, token)


@router.get("/authorizations/{id_}")
async def show(request: Request, id_: str) -> Json:
    async with opened(request) as scope:
        return await view(scope, await accounts.find_authorization(scope, id_, token_of(request)))


@router.patch("/authorizations/{id_}")
async def update(request: Request, id_: str, body: Body) -> Json:
    async with opened(request) as scope:
        found = await accounts.find_authorization(scope, id_, token_of(request))
        wanted = text("description", body.get("description"))
        return await view(scope, await accounts.describe(scope, found, wanted) if wanted else found)


@router.delete("/authorizations/{id_}")
async def revoke(request: Request, id_: str) -> Json:
    async with opened(request) as scope:
        found = await accounts.find_authorization(scope, id_, token_of(request))
        await accounts.revoke(scope, found)
        return await view(scope, found)


@router.post("/authorizations/{id_}/actions/regenerate-tokens")
async def rotate(request: Request, id_: str) -> Json:
    async with opened(request) as scope:
        renewed, token = await accounts.rotate(scope, await accounts.find_authorization(scope, id_, token_of(request)))
        return await view(scope, renewed, token)


@router.get("/sessions")
async def sessions(request: Request) -> list[Json]:
    async with opened(request):
        return []


@router.delete("/sessions/{id_}")
async def end_session(request: Request, id_: str) -> None:
    """Sessions don't exist, because tokens are authorizations. The official CLI's logout accepts this answer."""
    async with opened(request):
        raise NotFound(f"Couldn't find the session {id_}.", resource="session")
