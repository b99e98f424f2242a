"""An HTTP proxy to an HTTPS server. Each local connection has one remote connection, and bodies are streamed both ways.

Only the head of a request is parsed and rewritten. Answers are passed as bytes, so event streams are not delayed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from changeover.errors import NoAnswer, PortTaken

HEAD_BYTES = 65536
CHUNK = 65536
CONNECT_S = 20.0


@dataclass(frozen=True)
class Remote:
    """Where requests go, and which certificates are trusted."""

    host: str
    port: int
    trust: ssl.SSLContext

    @property
    def name(self) -> str:
        return self.host if self.port == 443 else f"{self.host}:{self.port}"


class BadHead(Exception):
    """A request that can't be forwarded. `status` is the status of the answer."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class Head:
    """The head of a request: request line, headers, and how its body ends."""

    line: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, head: bytes) -> Head:
        first, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        pairs = [line.partition(":") for line in rest]
        is_first = re.fullmatch(r"[A-Z]+ /\S* HTTP/1\.[01]", first)
        if not is_first or not all(colon and name and name == name.strip() for name, colon, _ in pairs):
            raise BadHead("400 Bad Request", "The request can't be parsed.")
        return cls(first, tuple((name, value.strip()) for name, _, value in pairs))

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each.lower() == name]

    @property
    def is_chunked(self) -> bool:
        return self.all("transfer-encoding") == ["chunked"]

    def body_bytes(self) -> int:
        """The body's Content-Length. Raises BadHead if it is ambiguous."""
        lengths, encodings = self.all("content-length"), self.all("transfer-encoding")
        if len(lengths) + len(encodings) > 1 or encodings not in ([], ["chunked"]):
            raise BadHead("400 Bad Request", "It is unclear where the request ends.")
        if lengths and not lengths[0].isdigit():
            raise BadHead("400 Bad Request", "Content-Length is not a number.")
        return int(lengths[0]) if lengths else 0

    def rewritten(self, remote: str, local: str) -> bytes:
        """The head for the remote, with its own name as Host and the local address as X-Forwarded-Host.

        Raises BadHead for any other Host, because a web page's name may be pointed to this machine.
        """
        if self.all("host") not in ([local], [local.replace("127.0.0.1", "localhost")]):
            raise BadHead("421 Misdirected Request", f"This server only answers as {local}.")
        replaced = ("host", "x-forwarded-host", "x-forwarded-proto")
        kept = [(name, value) for name, value in self.headers if name.lower() not in replaced]
        told = [("Host", remote), ("X-Forwarded-Host", local), ("X-Forwarded-Proto", "http")]
        return "\r\n".join([self.line, *(f"{name}: {value}" for name, value in [*told, *kept]), "", ""]).encode(
            "latin-1"
        )


async def forward(remote: Remote, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Forward until SIGINT or SIGTERM. Calls `ready` with the port once it listens. Raises PortTaken."""
    tasks: set[asyncio.Task[None]] = set()
    address = ""

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_serve(reader, writer, remote, address))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        server = await asyncio.start_server(accept, host, port, limit=HEAD_BYTES)
    except OSError as error:
        raise PortTaken(
            f"Can't listen on {host}:{port}.", why=str(error), fix="Choose another port with --listen, or port 0."
        ) from error
    bound_port = server.sockets[0].getsockname()[1]
    address = f"{host}:{bound_port}"
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    ready(bound_port)
    await stopping.wait()
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(client: asyncio.StreamReader, answers: asyncio.StreamWriter, remote: Remote, local: str) -> None:
    """One connection, with any number of requests."""
    upstream: asyncio.StreamWriter | None = None
    pump: asyncio.Task[None] | None = None
    try:
        while head := await _next_head(client):
            read = Head.read(head)
            length, rewritten = read.body_bytes(), read.rewritten(remote.name, local)
            if upstream is None:
                heard, upstream = await _connect(remote)
                pump = asyncio.create_task(_copy(heard, answers))
            upstream.write(rewritten)
            await _pass_body(client, upstream, read, length)
    except BadHead as error:
        await _refuse(answers, error.status, "bad_request", error.message)
    except NoAnswer as error:
        await _refuse(answers, "502 Bad Gateway", error.id, error.message)
    except (ConnectionError, ssl.SSLError):
        if pump is not None:
            await pump  # the remote closed the connection; forward the rest of its answer
    finally:
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        if upstream is not None:
            upstream.close()
        answers.close()


async def _next_head(client: asyncio.StreamReader) -> bytes:
    """The head of the next request. Empty at the end."""
    try:
        return await client.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    except asyncio.LimitOverrunError:
        raise BadHead("431 Request Header Fields Too Large", "The request's headers are too long.") from None


async def _connect(remote: Remote) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(CONNECT_S):
            return await asyncio.open_connection(
                remote.host, remote.port, ssl=remote.trust, server_hostname=remote.host, limit=CHUNK
            )
    except OSError as error:  # includes TimeoutError and untrusted certificates
        raise NoAnswer(
            f"The remote control plane at {remote.name} is not reachable.",
            why=f"{str(error) or 'It took too long'}. Nothing was changed.",
            fix="Check that it runs and that this machine can reach it.",
        ) from error


async def _pass_body(client: asyncio.StreamReader, upstream: asyncio.StreamWriter, head: Head, length: int) -> None:
    if head.is_chunked:
        await _pass_chunks(client, upstream)
    await _pass_bytes(client, upstream, length)
    await upstream.drain()


async def _pass_bytes(client: asyncio.StreamReader, upstream: asyncio.StreamWriter, count: int) -> None:
    """Exactly `count` bytes, as they arrive."""
    while count:
        data = await client.read(min(count, CHUNK))
        if not data:
            raise ConnectionResetError("The client closed the connection within its request.")
        count -= len(data)
        upstream.write(data)
        await upstream.drain()


async def _pass_chunks(client: asyncio.StreamReader, upstream: asyncio.StreamWriter) -> None:
    """A chunked body, as it arrives. Sizes are parsed only to find its end."""
    while True:
        try:
            line = await client.readline()
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            raise BadHead("400 Bad Request", "A chunk has no size.") from None
        upstream.write(line)
        if size == 0:
            break
        await _pass_bytes(client, upstream, size + len(b"\r\n"))
    while (line := await client.readline()) not in (b"\r\n", b""):
        upstream.write(line)
    upstream.write(b"\r\n")


async def _copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    """Every byte as it arrives, until one side ends. Then closes the client's connection."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await source.read(CHUNK):
            to.write(data)
            await to.drain()
    to.close()


async def _refuse(answers: asyncio.StreamWriter, status: str, error_id: str, message: str) -> None:
    body = json.dumps({"id": error_id, "message": message}).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with contextlib.suppress(ConnectionError):
        answers.write(head.encode() + body)
        await answers.drain()
