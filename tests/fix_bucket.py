"""Where backups come from and go to: a real S3-compatible server (rclone's), whose objects are files, and a web server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.fix_control_plane import wait_until

RCLONE = Path(sys.executable).with_name("rclone")
KEY, SECRET = "access-key-of-tests", "secret-of-tests"


@dataclass
class BucketServer:
    """`root` has a folder for each bucket; there is one, `backups`. With `tls`, it speaks https by that folder's certificate."""

    root: Path
    port: int = 0
    tls: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self, *, secret: str = SECRET) -> None:
        """On the same port as before."""
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
        tls: list[str | Path] = (
            ["--cert", self.tls / "server.crt", "--key", self.tls / "server.key"] if self.tls else []
        )
        self.process = subprocess.Popen(
            [RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{KEY},{secret}",
             "--config", "/dev/null", "--vfs-cache-mode", "off", *tls, self.root],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.root,
        )  # fmt: skip
        wait_until(self.is_up, what="the bucket's server")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def is_up(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    @property
    def settings(self) -> dict[str, str]:
        """What a control plane with this bucket has in its environment."""
        return {
            "CHANGEOVER_BUCKET": "s3://backups/of/tests", "AWS_ENDPOINT_URL": f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}",
            "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
        }  # fmt: skip

    def objects(self) -> list[str]:
        """Everything that is in the bucket, halves too."""
        folder = self.root / "backups"
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def bucket_server() -> Iterator[BucketServer]:
    server = BucketServer(Path(tempfile.mkdtemp(prefix="co-s3-")))
    (server.root / "backups").mkdir()
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.root)


class Web:
    """Gives `answers` by path. Of the nth request only so many bytes are sent, or it stalls there until `go_on` is set."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.breaks_after: dict[int, int] = {}
        self.stalls_after: dict[int, int] = {}
        self.go_on, self.has_stalled = threading.Event(), threading.Event()
        self.requests = 0
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.requests += 1
                web.answer(self, web.requests)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, to: BaseHTTPRequestHandler, number: int) -> None:
        if to.path in self.redirects:
            to.send_response(302)
            to.send_header("Location", self.redirects[to.path])
            to.end_headers()
            return
        body = self.answers.get(to.path)
        to.send_response(404 if body is None else 200)
        to.send_header("Content-Length", str(len(body or b"")))
        to.end_headers()
        if number in self.stalls_after:
            to.wfile.write((body or b"")[: self.stalls_after[number]])
            self.has_stalled.set()
            self.go_on.wait(60)
        else:
            to.wfile.write((body or b"")[: self.breaks_after.get(number)])


@pytest.fixture
def web() -> Iterator[Web]:
    served = Web()
    thread = threading.Thread(target=served.server.serve_forever, daemon=True)
    thread.start()
    yield served
    served.go_on.set()
    served.server.shutdown()
    served.server.server_close()
    thread.join()
