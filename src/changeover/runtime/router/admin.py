"""Caddy's admin API over its unix socket: read the running configuration, replace it if it is still the one that was read."""

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
    """Somebody else replaced the configuration after it was read: read it again."""


@dataclass(frozen=True)
class Running:
    """The configuration that is in force, and the mark that tells it from another."""

    config: Any
    etag: str


@dataclass(frozen=True)
class AdminApi:
    """One Caddy, reached by its socket."""

    path: Path

    async def running(self, *, timeout_s: float = 5) -> Running:
        """Raises RouterFailed when it does not answer."""
        _, etag, body = await asyncio.to_thread(self._call, "GET", "/config/", b"", {}, timeout_s)
        return Running(json.loads(body), etag)

    async def look(self, *, timeout_s: float) -> None:
        """Cheaper than to read the whole: it answers, and has a configuration of ours. Raises RouterFailed."""
        path = f"/config/apps/http/servers/{SERVER}/listen"
        status, _, body = await asyncio.to_thread(self._call, "GET", path, b"", {}, timeout_s)
        if status != http.HTTPStatus.OK or json.loads(body) != [INHERITED]:
            raise RouterFailed(
                "The router runs with a configuration that isn't ours.",
                why=f"Caddy says: {body.decode(errors='replace').strip()[:200]}",
                fix="It is started anew by itself.",
            )

    async def replace(self, config: Any, *, instead_of: Running, timeout_s: float = 30) -> None:
        """Put another configuration in force; what is wrong with it leaves the old one. Raises ChangedMeanwhile, RouterFailed."""
        headers = {"Content-Type": "application/json", "If-Match": instead_of.etag}
        content = json.dumps(config).encode()
        status, _, body = await asyncio.to_thread(self._call, "POST", "/config/", content, headers, timeout_s)
        if status == http.HTTPStatus.PRECONDITION_FAILED:
            raise ChangedMeanwhile
        if status != http.HTTPStatus.OK:
            raise RouterFailed(
                "The router did not take its new configuration; the old one stays in force.",
                why=f"Caddy says: {body.decode(errors='replace').strip()[:500]}",
                fix="Free what it names (a port, a name that two apps have); it is tried again.",
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
                why=f"Nobody speaks at {self.path}: {error or type(error).__name__}.",
                fix="It is started again by itself; if that stays so, its log (DATA/router/log/caddy.log) says why.",
            ) from error
        finally:
            connection.close()
