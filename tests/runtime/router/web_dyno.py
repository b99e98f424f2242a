"""A web process as careful people write it: answers, and on SIGTERM ends what it has begun. Run: web_dyno.py PORT NAME.

GET /slow takes a second, /drip sends a line every tenth of a second, /broken hangs up, /ws echoes after an upgrade;
everything else says the dyno's name and the headers that came.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

PORT, NAME = int(sys.argv[1]), sys.argv[2]
busy: set[asyncio.StreamWriter] = set()
is_ending = False


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while not is_ending and (line := await reader.readline()):
            busy.add(writer)
            headers: dict[str, str] = {}
            while (header := (await reader.readline()).decode().strip()) != "":
                name, _, value = header.partition(":")
                headers[name.strip()] = value.strip()
            body = await reader.readexactly(int(headers.get("Content-Length", 0)))
            await answer(line.decode().split()[1], headers, body, reader, writer)
            busy.discard(writer)
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        pass
    finally:
        busy.discard(writer)
        writer.close()


async def answer(
    path: str, headers: dict[str, str], body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    if path == "/broken":
        raise ConnectionError
    if path == "/ws":
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        while said := await reader.read(1000):
            writer.write(said)
            await writer.drain()
        raise ConnectionError
    if path == "/drip":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            writer.write(b"5\r\ndrip\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.write(b"0\r\n\r\n")
        return
    if path == "/slow":
        await asyncio.sleep(1)
    said = json.dumps({"dyno": NAME, "headers": headers, "received": len(body)}).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said) + said)
    await writer.drain()


async def main() -> None:
    global is_ending  # noqa: PLW0603 - one process, one end
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    server = await asyncio.start_server(serve, "127.0.0.1", PORT, backlog=512)
    await told.wait()
    is_ending = True
    server.close()
    while busy:  # noqa: ASYNC110 - short, and at the end
        await asyncio.sleep(0.01)


asyncio.run(main())
