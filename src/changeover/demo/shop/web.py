"""Takes orders over HTTP: `POST /orders` is answered with 201 once PostgreSQL has committed the order.

On SIGTERM it accepts no new connections, answers requests in progress, and ends.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue

import psycopg

from .orders import Database, connect, take

CONNECTIONS = 4
LINGER_S = 0.2
"""A request that was sent before the signal has arrived by then."""


class Shop(ThreadingHTTPServer):
    """One thread per client. They share a few database connections."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        self._free: SimpleQueue[Database] = SimpleQueue()
        for _ in range(CONNECTIONS):
            self._free.put(connect())
        self._under_way = 0
        self._changed = threading.Condition()
        super().__init__(("127.0.0.1", port), Answer)

    @contextmanager
    def database(self) -> Iterator[Database]:
        """One of the connections. A broken one is replaced."""
        database = self._free.get()
        try:
            if database.closed:
                database = connect()
            yield database
        finally:
            self._free.put(database)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """The server does not end before the block is left."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def finish(self) -> None:
        """Answer the requests in progress."""
        time.sleep(LINGER_S)
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way)


class Answer(BaseHTTPRequestHandler):
    """One client's requests, in sequence over one connection."""

    server: Shop
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    """Sends each answer as one packet."""

    def do_POST(self) -> None:
        with self.server.under_way():
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                order = json.loads(body)
                with self.server.database() as database:
                    take(database, order["id"], order["customer"], order["cents"])
            except (ValueError, KeyError, psycopg.DataError):
                self._say(HTTPStatus.BAD_REQUEST, {"error": "an order has an id, a customer and cents"})
            except psycopg.Error as error:
                self._say(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": str(error)})
            else:
                self._say(HTTPStatus.CREATED, {"id": order["id"]})

    def do_GET(self) -> None:
        with self.server.under_way():
            self._say(HTTPStatus.OK, {"shop": "is open"})

    def _say(self, status: HTTPStatus, said: object) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Does nothing: the router already logs each request."""


def main() -> None:
    shop = Shop(int(os.environ["PORT"]))
    # in another thread, because it waits for the loop that the signal interrupted
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=shop.shutdown).start())
    print("open", flush=True)
    shop.serve_forever(poll_interval=0.05)
    shop.server_close()
    shop.finish()


if __name__ == "__main__":
    main()
