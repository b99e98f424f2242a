"""Our own way to bring code: an archive of a folder, sent as it is packed."""

from __future__ import annotations

from fastapi import APIRouter, Request

from changeover.api.desk import opened
from changeover.api.views import Json, release_view
from changeover.platform.apps import find_app
from changeover.platform.releases import list_releases
from changeover.platform.slugs import deploy, receive

router = APIRouter(prefix="/changeover/v1")


@router.post("/apps/{app}/deploys", status_code=201)
async def create(request: Request, app: str, description: str | None = None) -> Json:
    """The body is a tar.gz. Answers with the release, which may still have its release phase before it."""
    async with opened(request) as scope:
        found = await find_app(scope, app)
    slug = await receive(scope.parts, found, request.stream())
    async with opened(request) as scope:
        found = await find_app(scope, app)
        run = await deploy(scope, found, slug, description)
        return {
            "release": release_view(request, (await list_releases(scope, found))[-1]),
            "process_types": slug.commands,
            "bytes": slug.bytes,
            "run": run.id if run else None,
        }
