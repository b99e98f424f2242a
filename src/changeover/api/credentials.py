"""Credentials of a database. The official CLI sends these requests with Basic authentication; the desk accepts both schemes."""

from __future__ import annotations

from fastapi import APIRouter, Request

from changeover.api.desk import opened
from changeover.api.views import Json
from changeover.errors import NotFound
from changeover.platform.databases import credentials_of, find_database
from changeover.platform.environment import parameters_of
from changeover.platform.scope import Scope
from changeover.platform.things import CredentialRow, Database

router = APIRouter(prefix="/postgres/v0/databases")


def view(scope: Scope, database: Database, credential: CredentialRow) -> Json:
    """`parameters` is ours: further connection parameters of an adopted database, such as TLS."""
    cipher = scope.parts.cipher
    return {
        "uuid": str(credential.id),
        "name": credential.name,
        "state": credential.state,
        "database": database.database_name,
        "host": database.address,
        "port": database.port,
        "parameters": parameters_of(cipher, database),
        "credentials": [
            {
                "user": credential.user_name,
                "password": cipher.decrypt(credential.password),
                "state": credential.state,
                "connections": 0,
            }
        ],
    }


@router.get("/{key}/credentials")
async def index(request: Request, key: str) -> list[Json]:
    async with opened(request) as scope:
        addon, database = await find_database(scope, key)
        return [view(scope, database, one) for one in await credentials_of(scope, addon)]


@router.get("/{key}/credentials/{name}")
async def show(request: Request, key: str, name: str) -> Json:
    async with opened(request) as scope:
        addon, database = await find_database(scope, key)
        for credential in await credentials_of(scope, addon):
            if credential.name == name:
                return view(scope, database, credential)
        raise NotFound(f"Couldn't find the credential {name} of {addon.name}.", resource="credential")
