"""Preflight checks: the report for a source, and for a target. Changes and stores nothing."""

from __future__ import annotations

from fastapi import APIRouter, Request

from changeover.api.bodies import Body, Fields, address, patterns
from changeover.api.desk import opened
from changeover.api.views import Json
from changeover.changeovers.checks import check
from changeover.changeovers.ends.addresses import location_named
from changeover.changeovers.methods.snapshot.choosing import excluded_from, filters_of
from changeover.errors import InvalidParams

router = APIRouter(prefix="/changeover/v1")
LONGEST_SAMPLE_S = 3600.0
LOOKS_S = 120.0
"""Time limit of all checks, in addition to the sample."""


@router.post("/checks")
async def create(request: Request, body: Body) -> Json:
    """Answers when the sample and all checks are done. Uses POST, because addresses are secret."""
    filters = filters_of(patterns(body))
    sample_s, target = _sample(body), address(body, "target") if body.get("target") else None
    async with opened(request) as scope:
        source = await location_named(scope, address(body, "source"))
        where_to = await location_named(scope, target) if target else None
        async with scope.asking(sample_s + LOOKS_S):
            report = await check(source, where_to, sample_s=sample_s, installations=scope.parts.installations)
            excluded = await excluded_from(source, filters, report.skips()["skip_schemas"]) if report.source else None
    return {**report.as_dict(), **({"excluded": excluded.as_dict()} if excluded and filters else {})}


def _sample(body: Fields) -> float:
    given = body.get("sample_s", 5)
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= LONGEST_SAMPLE_S:
        raise InvalidParams(f"sample_s must be a number of seconds, from 0 to {LONGEST_SAMPLE_S:.0f}.")
    return float(given)
