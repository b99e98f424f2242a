"""Log sessions, whose secret URL streams lines as server-sent events, and the output of release phases."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from changeover.api.addresses import absolute, desk_of
from changeover.api.bodies import Body, flag, text, whole
from changeover.api.desk import opened
from changeover.api.responses import error_response
from changeover.api.views import Json
from changeover.errors import Forbidden, NotFound
from changeover.platform.apps import find_app
from changeover.platform.desk import Desk
from changeover.platform.releases import Phase, phase_of_output
from changeover.platform.scope import Parts

router = APIRouter()

DEFAULT_LINES, MOST_LINES = 100, 1500
SESSION_S = 3600
KEEP_AWAKE_S = 15.0
LOOK_S = 0.25
BEGINS_S = 10.0


@router.post("/apps/{app}/log-sessions", status_code=201)
async def create(request: Request, app: str, body: Body) -> Json:
    lines = min(MOST_LINES, whole(body, "lines") or DEFAULT_LINES)
    async with opened(request) as scope:
        found = await find_app(scope, app)
        wish = {
            "app": str(found.id), "lines": lines, "tail": bool(flag(body, "tail")),
            "source": text("source", body.get("source")), "dyno": text("dyno", body.get("dyno")),
        }  # fmt: skip
        key = scope.parts.cipher.encrypt(json.dumps(wish)).decode()
    return {"id": key[-12:], "logplex_url": absolute(request, f"changeover/v1/logs/{key}")}


@router.get("/changeover/v1/logs/{key}", response_model=None)
async def stream(request: Request, key: str) -> Response:
    """Needs no token, because its URL is the secret: encrypted, and valid for an hour (a stream may last longer)."""
    parts = desk_of(request).parts
    wish = parts.cipher.decrypt_fresh(key.encode(), most_s=SESSION_S)
    if wish is None or not wish.startswith("{"):  # the key of a download has the same cipher
        return error_response(Forbidden(
            "This log URL is not valid.", why=f"It was changed, or is older than {SESSION_S // 3600} hour.",
            fix="Get a new one: `changeover logs`.",
        ))  # fmt: skip
    return StreamingResponse(
        _events(parts, json.loads(wish), request.headers.get("last-event-id")), media_type="text/event-stream",
        headers={"Cache-Control": "no-store"},
    )  # fmt: skip


async def _events(parts: Parts, wish: Json, after: str | None) -> AsyncIterator[str]:
    only = {"source": wish["source"], "dyno": wish["dyno"]}
    last = after
    if not wish["tail"]:
        # the official CLI has finished when this ends, but its event source lives until the reconnect time, 3 s
        yield "retry: 1\n\n"
    if after is None:
        for line in parts.logs.last(wish["app"], wish["lines"], **only):
            last = line.id
            yield _event(line.id, line.text)
    if not wish["tail"]:
        return
    lines = parts.logs.follow(wish["app"], last, **only)
    coming = asyncio.ensure_future(anext(lines))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=KEEP_AWAKE_S)
            if not done:
                yield ": still here\n\n"
                continue
            line = coming.result()
            yield _event(line.id, line.text)
            coming = asyncio.ensure_future(anext(lines))
    finally:
        coming.cancel()


def _event(id_: str, text_: str) -> str:
    return f"id: {id_}\ndata: {text_}\n\n"


@router.get("/changeover/v1/release-output/{key}", response_model=None)
async def release_output(request: Request, key: str) -> Response:
    """Streams the output of a release phase until it ends. Its URL is the secret."""
    desk = desk_of(request)
    found = await _begun(desk, key)
    if found is None:
        return error_response(NotFound("There is no output yet.", fix="Try again when the release phase has started."))
    return StreamingResponse(_growing(desk, key, found.file), media_type="text/plain")


async def _begun(desk: Desk, key: str) -> Phase | None:
    """The phase once it has an output. Waits briefly, because clients ask just before the phase starts."""
    deadline = time.monotonic() + BEGINS_S
    while True:
        found = await phase_of_output(desk.pool, desk.parts, key)
        if found is not None and found.file.exists():
            return found
        if found is None or not found.is_running or time.monotonic() > deadline:
            return None
        await asyncio.sleep(LOOK_S)


async def _growing(desk: Desk, key: str, file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as output:
        while True:
            found = await phase_of_output(desk.pool, desk.parts, key)
            while chunk := output.read(65536):
                yield chunk
            if found is None or not found.is_running:
                return
            await asyncio.sleep(LOOK_S)
