"""GET /healthz: 200 when API, state and a job worker are alive, 503 with what is missing otherwise."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from changeover.api.desk import AtDesk
from changeover.platform.liveness import worker_is_alive

router = APIRouter()


@router.get("/healthz")
async def healthz(desk: AtDesk) -> JSONResponse:
    try:
        async with desk.pool.connection(timeout=2) as db:
            worker = await worker_is_alive(db, desk.parts.host)
    except (OperationalError, PoolTimeout):
        return JSONResponse({"api": True, "state": False, "worker": False}, status_code=503)
    return JSONResponse({"api": True, "state": True, "worker": worker}, status_code=200 if worker else 503)
