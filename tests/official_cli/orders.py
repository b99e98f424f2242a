"""An app that people use: `web` takes orders by HTTP, `worker` makes its own, `release` makes their table.

Deployed as it is: it imports nothing of ours, and finds its driver beside itself. Run: orders.py web | worker | release. An
order is acknowledged once it is committed: by the answer 201, or by a line in a file of the folder $LEDGER.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("vendor")))

import psycopg

PAUSE_S, PAUSE_AFTER_A_FAILURE_S = 0.02, 0.2
INSERT = "INSERT INTO taken VALUES (%s)"

told_to_stop = threading.Event()
mine = threading.local()


def connect() -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, connect_timeout=5)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        key = self.rfile.read(int(self.headers["Content-Length"])).decode()
        try:
            take(key)
        except psycopg.Error as error:
            self.answer(500, str(error))
        else:
            self.answer(201, "taken")

    def do_GET(self) -> None:
        self.answer(200, "open")

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


def take(key: str) -> None:
    """On a connection of this thread's own, which is kept until it breaks."""
    if getattr(mine, "database", None) is None:
        mine.database = connect()
    try:
        mine.database.execute(INSERT, [key])
    except psycopg.OperationalError:
        mine.database = None
        raise


def web() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    threading.Thread(target=server.serve_forever).start()
    told_to_stop.wait()
    server.shutdown()


def worker() -> None:
    ledger = Path(os.environ["LEDGER"]) / f"{os.environ['DYNO']}-{uuid.uuid4()}"
    while not told_to_stop.is_set():
        try:
            with connect() as database, ledger.open("a", buffering=1) as acknowledged:
                while not told_to_stop.wait(PAUSE_S):
                    key = str(uuid.uuid4())
                    database.execute(INSERT, [key])
                    acknowledged.write(f"{key}\n")
        except psycopg.Error as error:
            print(error, flush=True)
            told_to_stop.wait(PAUSE_AFTER_A_FAILURE_S)


def release() -> None:
    """Writes only where the table is missing: a follower is promoted too, by mistake."""
    with connect() as database:
        if database.execute("SELECT to_regclass('taken')").fetchone() == (None,):
            database.execute("CREATE TABLE taken (key uuid PRIMARY KEY)")
    print("the table is there", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: told_to_stop.set())
    {"web": web, "worker": worker, "release": release}[sys.argv[1]]()
