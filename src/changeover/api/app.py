"""Puts the routes together, and turns every failure into the body that both CLIs understand."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from psycopg import OperationalError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from changeover.api import (
    access,
    account,
    addons,
    adoption,
    apps,
    attachments,
    authorizations,
    catalogue,
    changeovers,
    checks,
    config_vars,
    credentials,
    databases,
    deploys,
    health,
    logs,
    migrations,
    ours,
    pooling,
    processes,
    releases,
    scheduler,
    spaces,
    teams,
    transfers,
)
from changeover.api.rendezvous import Rendezvous
from changeover.api.responses import error_response
from changeover.errors import ChangeoverError, InternalError, StateUnavailable
from changeover.platform.desk import Desk

log = logging.getLogger(__name__)

ROUTERS = (
    health, account, authorizations, apps, access, config_vars, releases, processes, addons, attachments,
    catalogue, spaces, teams, databases, credentials, adoption, checks, ours, deploys, logs, changeovers, scheduler, pooling,
    migrations, transfers,
)  # fmt: skip


def create_app(desk: Desk, rendezvous: Rendezvous) -> FastAPI:
    """The whole HTTP surface over one desk."""
    app = FastAPI(title="changeover", openapi_url="/changeover/v1/openapi.json", docs_url=None, redoc_url=None)
    app.state.desk = desk
    app.state.rendezvous = rendezvous
    for module in ROUTERS:
        app.include_router(module.router)
    app.add_exception_handler(ChangeoverError, _user_error)
    app.add_exception_handler(HTTPException, _http_error)
    for down in (OperationalError, PoolTimeout):
        app.add_exception_handler(down, _state_down)
    app.add_middleware(Edge)
    return app


async def _user_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ChangeoverError)  # noqa: S101 - the registration above says so
    return error_response(error)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    body = {
        "id": "not_found" if status == 404 else "bad_request",
        "message": f"changeover has no {request.method} {request.url.path}."
        if status in (404, 405)
        else str(getattr(error, "detail", error)),
    }
    return JSONResponse(body, status_code=status)


async def _state_down(_request: Request, error: Exception) -> Response:
    log.error("state is not reachable: %s", error)
    return error_response(
        StateUnavailable(
            "changeover can't reach its own state.",
            why="The PostgreSQL that keeps it does not answer.",
            fix="It is restarted by itself; try again in a few seconds.",
        )
    )


class Edge:
    """The outermost edge: adds what a Scope warned of as X-Heroku-Warning, and answers for our bugs.

    An exception that left the application would make the server cut the connection, also for requests behind this one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        has_started = False

        async def send_with_warnings(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                for warning in state.get("warnings", []):
                    header = (b"x-heroku-warning", warning.encode("latin-1", "replace"))
                    message["headers"] = [*message["headers"], header]
            await send(message)

        try:
            await self._app(scope, receive, send_with_warnings)
        except Exception:
            what = f"{scope['method']} {scope['path']}"
            log.exception("%s failed", what)
            if has_started:
                raise
            await error_response(InternalError(what))(scope, receive, send)
