"""What is read and changed in a request on its way to a remote control plane: its head, and as little as possible."""

from __future__ import annotations

import pytest

from changeover.cli.forwarding import BadHead, Head
from changeover.cli.proxy import loopback
from changeover.errors import BadSetting

LOCAL = "127.0.0.1:5001"


def head(*lines: str, first: str = "GET /apps HTTP/1.1") -> Head:
    return Head.read("\r\n".join([first, *lines, "", ""]).encode())


@pytest.mark.parametrize("host", [LOCAL, "localhost:5001"])
def test_the_remote_hears_its_own_name_and_ours_beside_it(host: str) -> None:
    read = head(f"Host: {host}", "Authorization: Bearer x", "X-Forwarded-Host: evil")

    assert read.rewritten("db.example.com", LOCAL) == (
        b"GET /apps HTTP/1.1\r\nHost: db.example.com\r\nX-Forwarded-Host: 127.0.0.1:5001\r\n"
        b"X-Forwarded-Proto: http\r\nAuthorization: Bearer x\r\n\r\n"
    )


@pytest.mark.parametrize("lines", [("Host: evil.example.com:5001",), (), (f"Host: {LOCAL}", "Host: evil")])
def test_a_request_for_another_name_is_not_passed_on(lines: tuple[str, ...]) -> None:
    with pytest.raises(BadHead, match="only answers as"):
        head(*lines).rewritten("db.example.com", LOCAL)


@pytest.mark.parametrize(
    ("lines", "length", "is_chunked"),
    [((), 0, False), (("Content-Length: 12",), 12, False), (("transfer-encoding: chunked",), 0, True)],
)
def test_a_body_ends_where_its_head_says(lines: tuple[str, ...], length: int, is_chunked: bool) -> None:
    assert (head(*lines).body_bytes(), head(*lines).is_chunked) == (length, is_chunked)


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 1", "Transfer-Encoding: chunked"),
        ("Content-Length: 1", "Content-Length: 2"),
        ("Content-Length: -1",),
        ("Transfer-Encoding: gzip, chunked",),
    ],
)
def test_a_body_whose_end_two_readers_could_see_differently_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(BadHead):
        head(*lines).body_bytes()


@pytest.mark.parametrize("first", ["GET", "GET http://other/ HTTP/1.1", "CONNECT other:443 HTTP/1.1", "GET / HTTP/2"])
def test_what_is_no_request_for_a_path_is_refused(first: str) -> None:
    with pytest.raises(BadHead):
        head(f"Host: {LOCAL}", first=first)


@pytest.mark.parametrize("line", ["no colon", "Name : x", " folded", ": x"])
def test_a_header_that_readers_could_see_differently_is_refused(line: str) -> None:
    with pytest.raises(BadHead):
        head(line)


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:5001", "example.com:1", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", ":1"]
)
def test_the_open_side_is_only_for_this_machine(listen: str) -> None:
    with pytest.raises(BadSetting):
        loopback(listen)
