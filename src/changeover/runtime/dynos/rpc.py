"""A client for supervisord's XML-RPC interface over its unix socket. Knows nothing about dynos."""

from __future__ import annotations

import asyncio
import http.client
import xmlrpc.client
from collections.abc import Container
from pathlib import Path
from typing import Any

from changeover.errors import RuntimeFailed
from changeover.runtime.socket_http import SocketConnection

BAD_NAME, NOT_RUNNING, ALREADY_ADDED, STILL_RUNNING = 10, 70, 90, 91
"""supervisor.xmlrpc.Faults"""


class Supervisor:
    """One supervisord, by its socket. Each call opens a connection."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def call(self, method: str, *arguments: Any, timeout_s: float = 10) -> Any:
        """Raises xmlrpc.client.Fault when supervisord refuses the call, and RuntimeFailed when it does not answer."""
        try:
            return await asyncio.to_thread(self._call, f"supervisor.{method}", arguments, timeout_s)
        except (OSError, http.client.HTTPException) as error:
            raise RuntimeFailed(
                "The process supervisor of the dynos does not answer.",
                why=f"supervisord at {self._path}: {error}",
                fix="It is restarted within a second or two. Then try again.",
            ) from error

    async def call_unless(
        self, faults: Container[int], method: str, *arguments: Any, fine: Container[int] = ()
    ) -> bool:
        """False if it was refused with one of `faults`. A fault in `fine` counts as success."""
        try:
            await self.call(method, *arguments)
        except xmlrpc.client.Fault as refusal:
            if refusal.faultCode in fine:
                return True
            if refusal.faultCode not in faults:
                raise
            return False
        return True

    async def identity(self, *, timeout_s: float = 2) -> str | None:
        """The installation it belongs to. None if it doesn't answer."""
        try:
            return str(await self.call("getIdentification", timeout_s=timeout_s))
        except RuntimeFailed:
            return None

    def _call(self, method: str, arguments: tuple[Any, ...], timeout_s: float) -> Any:
        request = xmlrpc.client.dumps(arguments, method).encode()
        connection = SocketConnection(self._path, timeout_s)
        try:
            connection.request("POST", "/RPC2", request, {"Content-Type": "text/xml"})
            response = connection.getresponse()
            said = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise http.client.HTTPException(f"HTTP status {response.status}")
        return xmlrpc.client.loads(said)[0][0]
