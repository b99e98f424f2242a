"""An app's own page, fetched from where its config var says; and what is said when that does not work."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from changeover.errors import PageNotFetched
from changeover.hosts.network import Reach
from changeover.runtime.router import fetch_page


class Pages(BaseHTTPRequestHandler):
    """/page, /latin, /moved, /ftp, /huge, /drip; nothing else."""

    def do_GET(self) -> None:
        answer = getattr(self, f"say_{self.path.partition('?')[0].strip('/')}", None)
        if answer is None:
            self.send_error(404)
        else:
            answer()

    def say(self, body: bytes, kind: str = "text/html", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def say_page(self) -> None:
        self.say(b"<h1>Back soon</h1>")

    def say_latin(self) -> None:
        self.say("<h1>Zurück</h1>".encode("latin-1"), "text/html; charset=iso-8859-1")

    def say_moved(self) -> None:
        self.say(b"", status=302, Location="/page")

    def say_ftp(self) -> None:
        self.say(b"", status=302, Location="ftp://127.0.0.1/page")

    def say_huge(self) -> None:
        self.say(b"x" * 1_000_001)

    def say_drip(self) -> None:
        self.say(b"x")
        for _ in range(20):
            time.sleep(0.1)
            self.wfile.write(b"x")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what is tested here."""


@pytest.fixture
def server() -> Iterator[str]:
    with Quiet(("127.0.0.1", 0), Pages) as pages:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{pages.server_port}"
        pages.shutdown()


@pytest.mark.parametrize(
    ("path", "page"), [("/page", "<h1>Back soon</h1>"), ("/moved", "<h1>Back soon</h1>"), ("/latin", "<h1>Zurück</h1>")]
)
async def test_a_page_is_fetched_and_kept_as_utf8(server: str, path: str, page: str) -> None:
    assert await fetch_page(server + path, Reach.PRIVATE) == page.encode()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/none", "The answer was 404"),
        ("/huge", "larger than 1,000,000 bytes"),
        ("/drip", "longer than 0.5 seconds"),
        ("/ftp", "ftp"),
    ],
)
async def test_what_is_no_page_is_refused_with_its_reason(server: str, path: str, why: str) -> None:
    with pytest.raises(PageNotFetched) as refused:
        await fetch_page(f"{server}{path}?token=verysecret", Reach.PRIVATE, timeout_s=0.5)

    assert why in refused.value.why
    assert f"{server}{path}" in refused.value.what
    assert "verysecret" not in refused.value.message


async def test_a_server_that_never_answers_holds_nobody_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(PageNotFetched, match="could not be fetched"):
        await fetch_page(
            f"http://user:verysecret@127.0.0.1:{silent.getsockname()[1]}/page", Reach.PRIVATE, timeout_s=0.3
        )


@pytest.mark.parametrize(
    "url", ["", "page.html", "file:///etc/passwd", "ftp://a/b", "http://", "http://[bad", "http://a:b/"]
)
async def test_only_addresses_of_the_web_are_fetched(url: str) -> None:
    with pytest.raises(PageNotFetched):
        await fetch_page(url, Reach.PRIVATE)


async def test_a_server_that_is_not_there_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/page"

    with pytest.raises(PageNotFetched) as refused:
        await fetch_page(url, Reach.PRIVATE)

    assert "refused" in refused.value.why
