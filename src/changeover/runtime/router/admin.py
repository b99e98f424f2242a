"""Caddy's admin API over its unix socket: read the running configuration, and replace it if it has not changed since."""

from __future__ import annotations

import asyncio
import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from changeover.errors import RouterFailed
from changeover.runtime.router.configuration import INHERITED, SERVER
from changeover.runtime.socket_http import SocketConnection


class ChangedMeanwhile(Exception):
    """Another process replaced the configuration after it was read. Read it again."""


@dataclass(frozen=True)
class Running:
    """The active configuration and its ETag."""

    config: Any
    etag: str


@dataclass(frozen=True)
class AdminApi:
    """The admin API of one Caddy, by its socket."""

    path: Path

    async def running(self, *, timeout_s: float = 5) -> Running:
        """Raises RouterFailed when it does not answer."""
        _, etag, body = await asyncio.to_thread(self._call, "GET", "/config/", b"", {}, timeout_s)
        return Running(json.loads(body), etag)

    async def look(self, *, timeout_s: float) -> None:
        """Cheap check that it answers and runs our configuration. Raises RouterFailed."""
        path = f"/config/apps/http/servers/{SERVER}/listen"
        status, _, body = await asyncio.to_thread(self._call, "GET", path, b"", {}, timeout_s)
        if status != http.HTTPStatus.OK or json.loads(body) != [INHERITED]:
            raise RouterFailed(
                "The router runs with a configuration that isn't ours.",
                why=f"Caddy says: {body.decode(errors='replace').strip()[:200]}",
                fix="It is restarted automatically.",
            )

    async def replace(self, config: Any, *, instead_of: Running, timeout_s: float = 30) -> None:
        """Activate another configuration. On an error, the old one stays active. Raises ChangedMeanwhile, RouterFailed."""
        headers = {"Content-Type": "application/json", "If-Match": instead_of.etag}
        content = json.dumps(config).encode()
        status, _, body = await asyncio.to_thread(self._call, "POST", "/config/", content, headers, timeout_s)
        if status == http.HTTPStatus.PRECONDITION_FAILED:
            raise ChangedMeanwhile
        if status != http.HTTPStatus.OK:
            raise RouterFailed(
                "The router rejected its new configuration. The old one stays active.",
                why=f"Caddy says: {body.decode(errors='replace').strip()[:500]}",
                fix="Resolve the reported conflict (a port, or a hostname of two apps). It is tried again.",
            )

    def _call(
        self, method: str, path: str, body: bytes, headers: dict[str, str], timeout_s: float
    ) -> tuple[int, str, bytes]:
        connection = SocketConnection(self.path, timeout_s)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("ETag", ""), answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise RouterFailed(
                "The router does not answer.",
                why=f"Connecting to {self.path} failed: {error or type(error).__name__}.",
                fix="It is restarted automatically. If the error persists, see its log (DATA/router/log/caddy.log).",
            ) from error
        finally:
            connection.close()
