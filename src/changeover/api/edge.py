"""The outermost layer: adds a scope's warnings as X-Heroku-Warning, and answers unexpected exceptions.

An exception that leaves the application would make the server close the connection, which also affects later requests.
"""

from __future__ import annotations

import logging
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from changeover.api.failures import failure_of, home_of
from changeover.api.responses import error_response

log = logging.getLogger(__name__)


class Edge:
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
                act = state.get("act")
                if act is not None:
                    message["headers"] = [*message["headers"], (b"request-id", act.request_id.encode())]
                for warning in state.get("warnings", []):
                    header = (b"x-heroku-warning", warning.encode("latin-1", "replace"))
                    message["headers"] = [*message["headers"], header]
            await send(message)

        try:
            await self._app(scope, receive, send_with_warnings)
        except ClientDisconnect:
            log.info("%s %s: the client disconnected before its request was complete", scope["method"], scope["path"])
        except Exception as error:
            if has_started:
                raise
            failure = failure_of(error, f"{scope['method']} {scope['path']}", home_of(scope))
            await error_response(failure)(scope, receive, send_with_warnings)
