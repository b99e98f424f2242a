"""The HTTP server. Its socket belongs to the parent, so a restart refuses no connection."""

from __future__ import annotations

import asyncio
import functools
import resource
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from types import FrameType

import uvicorn

from changeover.api.app import create_app
from changeover.api.connections import MOST_HEAD_BYTES, HttpConnection, OpenConnections
from changeover.api.rendezvous import Rendezvous
from changeover.engines.local import CertificateAuthority
from changeover.platform.desk import Desk
from changeover.platform.health import HealthProbe
from changeover.runs.ticks import Ticks
from changeover.service.composition import connect_state, make_parts, make_pool, workflows
from changeover.service.places import Places
from changeover.service.state import State
from changeover.settings import Settings
from changeover.store.changes import Changes

GRACE_S = 3
TICK_S = 1.0
RENDEZVOUS_HOST = "127.0.0.1"


class _Server(uvicorn.Server):
    """Wakes once a second for the Date header, and when told to stop. uvicorn itself wakes ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._told.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)


async def serve(
    places: Places, settings: Settings, *, listening: int, tls_cert: Path | None = None, tls_key: Path | None = None
) -> None:
    """Serve until SIGTERM. `listening` is the file descriptor of the open socket."""
    state = State(places, settings)
    _allow_files(settings.max_connections)
    ticks = Ticks(state.conninfo, host=settings.host_name)
    parts = make_parts(places, settings, ticks)
    rendezvous = Rendezvous(parts, RENDEZVOUS_HOST)
    async with make_pool(state, most=8) as pool, ticks:
        await rendezvous.start(_rendezvous_tls(places))
        health = HealthProbe(settings.host_name, places.home, functools.partial(connect_state, state))
        changes = Changes()
        hearing = asyncio.ensure_future(changes.keep_hearing(functools.partial(connect_state, state)))
        desk = Desk(pool=pool, parts=parts, workflows=workflows(parts), changes=changes)
        app = create_app(desk, rendezvous, health)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",  # an upgrade request gets an ordinary answer
            server_header=False,
            proxy_headers=False,  # it would trust every process of this host; see api/addresses.py
            timeout_graceful_shutdown=GRACE_S,
            http=HttpConnection.counted_by(
                OpenConnections(settings.max_connections, settings.max_connections_per_client)
            ),
            h11_max_incomplete_event_size=MOST_HEAD_BYTES,
            ssl_certfile=tls_cert,
            ssl_keyfile=tls_key,
        )
        await _Server(config).serve(sockets=[socket.socket(fileno=listening)])
        hearing.cancel()
        await rendezvous.stop()
        await health.close()


def _allow_files(connections: int) -> None:
    """Raise the limit on open files, which includes connections. The usual 1024 is too low for a server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * connections + 1024
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def _rendezvous_tls(places: Places) -> ssl.SSLContext:
    """The client verifies the server with our own authority."""
    authority = CertificateAuthority(places.ca)
    authority.renew_if_due([RENDEZVOUS_HOST], places.rendezvous_tls, owner=None)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(places.rendezvous_tls / "server.crt", places.rendezvous_tls / "server.key")
    return context
