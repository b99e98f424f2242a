"""GET /healthz: 200 when API, state and a job worker are alive, 503 with what is missing otherwise."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from changeover.api.desk import desk_of

router = APIRouter()


@router.get("/healthz")
async def healthz(request: Request) -> JSONResponse:
    try:
        worker = await desk_of(request).has_worker()
    except (OperationalError, PoolTimeout):
        return JSONResponse({"api": True, "state": False, "worker": False}, status_code=503)
    return JSONResponse({"api": True, "state": True, "worker": worker}, status_code=200 if worker else 503)
