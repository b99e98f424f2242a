"""A network line between the copying program and a server, which can fall silent or break."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from changeover.postgres.location import Location

CHUNK = 65536


@dataclass
class Line:
    """Carries bytes while `is_up`; a silent one keeps them back, a broken one ends connections and refuses new ones."""

    socket: str
    """Of the server: the line itself is TCP."""
    port: int = 0
    is_up: asyncio.Event = field(default_factory=asyncio.Event)
    is_broken: bool = False
    carried: int = 0
    ends: set[asyncio.StreamWriter] = field(default_factory=set)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def fall_silent(self) -> None:
        self.loop.call_soon_threadsafe(self.is_up.clear)

    def break_(self) -> None:
        def act() -> None:
            self.is_broken = True
            for end in self.ends:
                end.transport.abort()

        self.loop.call_soon_threadsafe(act)

    def mend(self) -> None:
        def act() -> None:
            self.is_broken = False
            self.is_up.set()

        self.loop.call_soon_threadsafe(act)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_broken:
            writer.transport.abort()
            return
        there, back = await asyncio.open_unix_connection(self.socket)
        self.ends |= {writer, back}
        await asyncio.gather(self._one_way(reader, back), self._one_way(there, writer))
        self.ends -= {writer, back}

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while part := await reader.read(CHUNK):
                await self.is_up.wait()
                self.carried += len(part)
                writer.write(part)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()


@contextmanager
def line_to(location: Location) -> Iterator[Line]:
    line = Line(f"{location.host}/.s.PGSQL.{location.port}")
    line.is_up.set()
    stopped = asyncio.Event()
    began = threading.Event()

    async def serve() -> None:
        server = await asyncio.start_server(line.carry, "127.0.0.1", 0)
        line.port = server.sockets[0].getsockname()[1]
        began.set()
        await stopped.wait()
        for end in line.ends:
            end.transport.abort()
        server.close()

    thread = threading.Thread(target=line.loop.run_until_complete, args=(serve(),))
    thread.start()
    began.wait(10)
    try:
        yield line
    finally:
        line.loop.call_soon_threadsafe(line.is_up.set)
        line.loop.call_soon_threadsafe(stopped.set)
        thread.join()
        for task in asyncio.all_tasks(line.loop):
            task.cancel()
        line.loop.run_until_complete(line.loop.shutdown_asyncgens())
        line.loop.close()
