"""GET /healthz: 200 if API, state, job worker and disks are well, else 503 with the reasons. Needs no token."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from changeover.platform.health import HealthProbe

router = APIRouter()


@router.get("/healthz")
async def healthz(request: Request) -> JSONResponse:
    """`reasons` lists each part with a problem."""
    probe: HealthProbe = request.app.state.health
    found = await probe.look()
    body = {
        "api": True,
        "state": found.has_state,
        "worker": found.has_worker,
        "disk": found.has_room,
        "free_bytes": found.free_bytes,
        "reasons": found.reasons,
    }
    return JSONResponse(body, status_code=200 if found.is_well else 503)
