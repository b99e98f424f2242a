"""What the router saw, as lines of the app's log in Heroku's format."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.router.fix_router import RouterHome, shop, until, unused_port

from changeover.runtime.router import Site, follow_access_log
from changeover.runtime.router.access_log import CHUNK_BYTES, Tail
from changeover.runtime.router.configuration import NO_DYNOS
from changeover.runtime.router.lines import router_line

NAMES = {20001: "web.1", 20002: "web.2"}


def record(**changed: Any) -> dict[str, Any]:
    """What Caddy writes for an ordinary request."""
    asked = {"method": "GET", "uri": "/a?b=c", "host": "shop.localhost:8080", "client_ip": "10.1.2.3"}
    done = {"status": 200, "size": 123, "duration": 0.0139, "service_ms": 12.7, "proxied_ms": 13.9, "port": "20001"}
    return {"app": "shop", "request_id": "8605fd63", "request": asked, **done} | changed


def asked(**changed: str) -> dict[str, Any]:
    return record(request={**record()["request"], **changed})


def test_a_request_is_told_as_heroku_tells_it() -> None:
    assert router_line(record(), NAMES) == (
        'at=info method=GET path="/a?b=c" host=shop.localhost request_id=8605fd63 fwd="10.1.2.3" '
        "dyno=web.1 connect=1ms service=12ms status=200 bytes=123 protocol=http"
    )


@pytest.mark.parametrize(
    ("changed", "begins"),
    [
        ({"maintenance": "on", "status": 503}, 'at=info code=H80 desc="Maintenance mode" method=GET'),
        ({"error": "dial tcp 127.0.0.1:20001: connect: connection refused"}, 'at=error code=H10 desc="App crashed"'),
        ({"error": "no upstreams available"}, 'at=error code=H10 desc="App crashed"'),
        (
            {"error": "timeout awaiting response headers", "error_status": 504},
            'at=error code=H12 desc="Request timeout"',
        ),
        ({"error": "EOF", "error_status": 502}, 'at=error code=H13 desc="Connection closed without response"'),
        ({"error": NO_DYNOS}, 'at=error code=H14 desc="No web processes running"'),
        ({"status": 499}, 'at=warning code=H27 desc="Client Request Interrupted"'),
        ({"status": 500}, "at=info method=GET"),
    ],
)
def test_what_went_wrong_has_herokus_code(changed: dict[str, Any], begins: str) -> None:
    assert router_line(record(status=503) | changed, NAMES).startswith(begins)


@pytest.mark.parametrize("hostile", ['/"\nat=info', "/\x1b[31m", "/\u2028", '/" status=200'])
def test_a_path_never_ends_its_quotes_or_the_line(hostile: str) -> None:
    line = router_line(asked(uri=hostile), NAMES)

    assert line.isprintable()
    assert line.count('"') == 4


def test_a_host_with_spaces_stays_one_word() -> None:
    assert " host=a%20status%3D200 " in router_line(asked(host="a status=200"), NAMES)


def test_an_endless_path_is_cut() -> None:
    assert len(router_line(asked(uri="/" + "a" * 60_000), NAMES)) < 5000


async def test_each_request_reaches_the_apps_log(home: RouterHome) -> None:
    lines: list[tuple[str, str, str, str]] = []
    dyno = await home.web_dyno("web.1")
    await home.router.apply(
        (shop(dyno), Site("idle", ("idle.localhost",)), Site("dead", ("dead.localhost",), (unused_port(),)))
    )
    following = asyncio.create_task(
        follow_access_log(home.places, lambda *line: lines.append(line), lambda _app: {dyno.port: "web.1"})
    )

    await home.ask("/hello", X_Request_Id="r" * 20)
    await home.ask("/", app="idle")
    await home.ask("/", app="dead")
    await home.ask("/broken", method="POST")
    home.router.maintenance("shop", True)
    await home.ask("/", method="POST")
    await home.ask("/", app="nobody")
    await until(lambda: len(lines) == 5)
    following.cancel()

    assert [line[:3] for line in lines] == [
        (app, "heroku", "router") for app in ("shop", "idle", "dead", "shop", "shop")
    ]
    assert f'path="/hello" host=shop.localhost request_id={"r" * 20} fwd="127.0.0.1" dyno=web.1' in lines[0][3]
    assert [code for *_, text in lines[1:] for code in text.split() if code.startswith("code=")] == [
        "code=H14", "code=H10", "code=H13", "code=H80"
    ]  # fmt: skip


class Log:
    """A log that is written and rotated as Caddy does it."""

    def __init__(self, folder: Path) -> None:
        self.path, self.rotations, self.written = folder / "access.log", 0, 0
        self.position = folder / "position"
        self.tail = Tail(self.path, self.position)

    def write(self, count: int) -> None:
        with self.path.open("ab") as file:
            for _ in range(count):
                file.write(b"%d\n" % self.written)
                self.written += 1

    def rotate(self) -> None:
        self.rotations += 1
        self.path.rename(self.path.with_name(f"access-2026-{self.rotations}.log"))

    def read(self) -> list[int]:
        seen = []
        while lines := self.tail.read():
            seen += [int(line) for line in lines]
        return seen


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path)
    yield log
    log.tail.close()


def test_no_line_is_lost_or_told_twice_when_the_log_is_rotated(log: Log) -> None:
    log.write(10)
    seen = log.read()
    log.write(5)
    log.rotate()
    log.write(5)
    log.rotate()
    log.write(5)

    assert seen + log.read() == list(range(25))


def test_a_follower_that_was_away_goes_on_where_it_was(log: Log) -> None:
    log.write(10)
    seen = log.read()
    log.tail.close()
    log.write(5)
    log.rotate()
    log.write(5)
    log.tail = Tail(log.path, log.position)

    assert seen + log.read() == list(range(20))


def test_a_line_that_is_not_whole_yet_waits(log: Log) -> None:
    log.path.write_bytes(b"1\n2")
    assert log.read() == [1]

    with log.path.open("ab") as file:
        file.write(b"3\n")

    assert log.read() == [23]


def test_a_line_without_end_is_left_out_and_takes_no_memory(log: Log) -> None:
    log.path.write_bytes(b"1\n" + b"9" * 3 * CHUNK_BYTES + b"\n2\n")

    assert log.read() == [1, 2]


async def test_what_is_no_record_is_passed_over(log: Log) -> None:
    log.path.write_bytes(b'{"half": \n[]\nnull\n' + json.dumps({"status": 200}).encode() + b"\n")

    assert len(log.tail.read()) == 4
