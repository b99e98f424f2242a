"""Dynos and formation. Apps run no processes here yet: both lists are empty, and truly so."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from changeover.api.desk import opened
from changeover.platform.apps import find_app

router = APIRouter()


@router.get("/apps/{app}/dynos")
@router.get("/apps/{app}/formation")
async def index(request: Request, app: str) -> list[Any]:
    async with opened(request) as scope:
        await find_app(scope, app)
        return []


@router.get("/dyno-sizes")
async def sizes(request: Request) -> list[Any]:
    async with opened(request):
        return []
