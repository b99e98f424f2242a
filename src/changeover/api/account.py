"""The caller's account."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from changeover.api.desk import opened
from changeover.api.views import Json, account_view
from changeover.errors import NotFound

router = APIRouter()


@router.get("/account")
async def show(request: Request) -> Json:
    async with opened(request) as scope:
        return account_view(scope.caller)


@router.get("/account/features")
async def features(request: Request) -> list[Any]:
    async with opened(request):
        return []


@router.get("/account/features/{name}")
async def feature(request: Request, name: str) -> None:
    async with opened(request):
        raise NotFound(f"Couldn't find the feature {name}.", resource="account_feature")


@router.get("/account/keys")
async def keys(request: Request) -> list[Any]:
    async with opened(request):
        return []
