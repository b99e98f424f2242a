"""Deploys: an archive of a folder as the request's body."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from fastapi import APIRouter, Request

from changeover.api.desk import opened
from changeover.api.views import Json, release_view
from changeover.errors import BadRequest, ChangeoverError
from changeover.platform.apps import find_app
from changeover.platform.releases import list_releases
from changeover.platform.slugs import clear_abandoned, deploy, discard, receive

router = APIRouter(prefix="/changeover/v1")


@router.post("/apps/{app}/deploys", status_code=201)
async def create(request: Request, app: str, description: str | None = None) -> Json:
    """The body is a tar.gz. Answers with the release, whose release phase may not have ended yet."""
    digest = sha256_in(request.headers.get("content-digest", ""))
    async with opened(request, only_looks=True) as scope:  # before a byte of the body is read
        found = await find_app(scope, app)
        await clear_abandoned(scope, found)
    slug = await receive(scope.parts, found, request.stream(), sha256=digest)
    async with opened(request) as scope:
        try:
            found = await find_app(scope, app)
            run = await deploy(scope, found, slug, description)
        except ChangeoverError:
            discard(Path(slug.directory))
            raise
        return {
            "release": release_view(request, (await list_releases(scope, found))[-1]),
            "process_types": slug.commands,
            "bytes": slug.bytes,
            "run": run.id if run else None,
        }


def sha256_in(header: str) -> bytes | None:
    """The digest of a Content-Digest header (RFC 9530). None without a SHA-256. Raises BadRequest."""
    found = re.search(r"(?:^|,)\s*sha-256=([^,;]*)", header, re.IGNORECASE)
    if found is None:
        return None
    digest = re.fullmatch(r":([A-Za-z0-9+/]{43}=):\s*", found[1])
    if digest is None:
        raise BadRequest(
            "The Content-Digest header can't be parsed.", fix="Write it as sha-256=:BASE64:, or leave it out."
        )
    return base64.b64decode(digest[1])
