"""What a client may send: how much, how fast, how deep, over how many connections. All of it without a word of HTTP library."""

from __future__ import annotations

import json
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx2
import psutil
import pytest
from tests.fix_control_plane import ControlPlane, running_plane

MEGABYTE = 1_000_000


@contextmanager
def connected(plane: ControlPlane) -> Iterator[socket.socket]:
    address = httpx2.URL(plane.url)
    with socket.create_connection((address.host, address.port), timeout=30) as connection:
        yield connection


def head(plane: ControlPlane, request: str, *headers: str, token: str | None = None) -> bytes:
    given = [f"Authorization: Bearer {token or plane.token}", *headers]
    return "\r\n".join([f"{request} HTTP/1.1", "Host: localhost", *given, "", ""]).encode()


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str]]:
    """Until the server closes, or the answer is complete."""
    said = b""
    while b"\r\n\r\n" not in said or not said.rstrip().endswith(b"}"):
        chunk = connection.recv(65536)
        if not chunk:
            break
        said += chunk
    first, _, rest = said.partition(b"\r\n")
    return int(first.split()[1]), json.loads(rest.partition(b"\r\n\r\n")[2] or b"{}")


def is_ended_by_the_server(connection: socket.socket) -> bool:
    """Within the 30 s that a test waits for it."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("framing", ["Content-Length: 150000000", "Transfer-Encoding: chunked"])
def test_a_large_body_without_a_token_is_refused_before_it_is_read(control_plane: ControlPlane, framing: str) -> None:
    with connected(control_plane) as connection:
        connection.sendall(head(control_plane, "POST /apps", framing, token="wrong"))

        status, body = read_answer(connection)

    assert (status, body["id"]) == (401, "unauthorized")


def test_memory_stays_where_it_was_while_150_megabytes_are_refused(control_plane: ControlPlane) -> None:
    process = control_plane.child("control-plane")
    before = process.memory_info().rss
    with connected(control_plane) as connection:
        connection.sendall(head(control_plane, "POST /apps", "Transfer-Encoding: chunked"))
        sent = 0
        while sent < 150 * MEGABYTE and not select.select([connection], [], [], 0)[0]:
            try:
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            except ConnectionError:
                break
            sent += 65536
        status, body = read_answer(connection)

    assert (status, body["id"]) == (413, "body_too_large")
    assert sent < 20 * MEGABYTE
    assert process.memory_info().rss - before < 30 * MEGABYTE


def test_a_declared_size_beyond_the_limit_is_refused_at_once(control_plane: ControlPlane) -> None:
    with connected(control_plane) as connection:
        connection.sendall(head(control_plane, "POST /apps", f"Content-Length: {MEGABYTE + 1}"))

        status, body = read_answer(connection)

    assert (status, body["id"]) == (413, "body_too_large")


def test_a_body_that_waits_for_100_continue_is_not_asked_for_without_a_token(control_plane: ControlPlane) -> None:
    with connected(control_plane) as connection:
        connection.sendall(
            head(control_plane, "POST /apps", "Content-Length: 10", "Expect: 100-continue", token="wrong")
        )

        status, _ = read_answer(connection)

    assert status == 401


def test_a_connection_goes_on_after_a_small_body_that_nobody_read(control_plane: ControlPlane) -> None:
    request = head(control_plane, "GET /account", "Content-Length: 2") + b"{}"
    with connected(control_plane) as connection:
        statuses = []
        for _ in range(2):
            connection.sendall(request)
            statuses.append(read_answer(connection)[0])

    assert statuses == [200, 200]


HEADS = {
    "too many bytes": b"GET /apps HTTP/1.1\r\nX-Long: " + b"x" * 100_000,
    "too many headers": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    + b"".join(b"X-%d: 1\r\n" % number for number in range(200))
    + b"\r\n",
    "two lengths": b"POST /apps HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length that is no number": b"POST /apps HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a control character in a header": b"GET /apps HTTP/1.1\r\nHost: localhost\r\nX-A: \x00\r\n\r\n",
}


@pytest.mark.parametrize("case", HEADS)
def test_a_head_that_can_not_be_read_is_answered_in_our_shape(control_plane: ControlPlane, case: str) -> None:
    with connected(control_plane) as connection:
        connection.sendall(HEADS[case])

        status, body = read_answer(connection)

    assert (status, body["id"]) == (400, "bad_request")
    assert body["message"]


BODIES: dict[str, str | bytes] = {
    "not a number": '{"n": NaN}',
    "infinity": '{"n": 1e999}',
    "an endless number": '{"n": %s}' % ("9" * 5000),
    "the same key twice": '{"name": "a", "name": "b"}',
    "a zero character": '{"name": "a\\u0000"}',
    "a zero character in a key": '{"a\\u0000": 1}',
    "half of a surrogate pair": '{"name": "\\ud800"}',
    "deep lists": "[" * 100_000,
    "deep objects": '{"a":' * 40 + "1" + "}" * 40,
    "deep and closed": '{"a":' + "[" * 900 + "]" * 900 + "}",
    "not UTF-8": b'{"name": "\xff"}',
    "no JSON": "name=shop",
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_is_no_plain_json_object_is_refused(api: httpx2.Client, case: str) -> None:
    answer = api.post("/apps", content=BODIES[case])

    assert (answer.status_code, answer.json()["id"]) == (400, "bad_request")


TARGETS = ["/apps/%00", "/apps/a%00b/addons", "/apps/%ff", "/apps/%ed%a0%80", "/changeover/v1/runs?app=%00"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_path_or_query_that_is_no_text_is_refused(api: httpx2.Client, target: str) -> None:
    answer = api.get(target)

    assert (answer.status_code, answer.json()["id"]) == (400, "bad_request")


NUMBERS = ["0", "-1", "99999999999999999999", "1e9", "NaN", "1.5", "x"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("things", ["runs", "changeovers", "migrations", "verifications"])
def test_a_number_that_no_run_can_have_is_refused(api: httpx2.Client, things: str, number: str) -> None:
    answer = api.get(f"/changeover/v1/{things}/{number}")

    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")
    assert answer.json()["message"]


RANGES = [
    "version ..; max=\u00b2",
    "id ..; max=" + "9" * 5000,
    "owner ..",
    "id ]..; order=\u00fc",
    "version a..",
    "bytes=0-1",
]


@pytest.mark.parametrize("text", RANGES)
def test_an_odd_range_can_not_be_satisfied(api: httpx2.Client, text: str) -> None:
    answer = api.get("/apps", headers=[(b"Range", text.encode("latin-1"))])

    assert (answer.status_code, answer.json()["id"]) == (416, "requested_range_not_satisfiable")


def test_a_method_that_a_path_does_not_have_is_answered_in_our_shape(api: httpx2.Client) -> None:
    answer = api.put("/apps")

    assert (answer.status_code, answer.json()["id"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/no/such/path", "/changeover/v1/openapi.json", "/apps"])
def test_without_a_token_not_even_the_routes_are_told(control_plane: ControlPlane, path: str) -> None:
    answer = httpx2.get(control_plane.url + path)

    assert (answer.status_code, answer.json()["id"]) == (401, "unauthorized")


@pytest.fixture(scope="module")
def small_plane() -> Iterator[ControlPlane]:
    yield from running_plane(CHANGEOVER_MAX_CONNECTIONS="20", CHANGEOVER_MAX_CONNECTIONS_PER_CLIENT="10")


def test_connections_that_send_nothing_make_room_for_those_that_do(small_plane: ControlPlane) -> None:
    """Everybody on this machine has the same address: a limit alone would lock them out."""
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(small_plane)) for _ in range(30)]
        for one in silent[::2]:
            with suppress(ConnectionError):
                one.sendall(b"GET /apps HTTP/1.1\r\nX-Slow: ")
        answer = httpx2.get(f"{small_plane.url}/healthz")

    assert answer.json()["api"]


def test_a_head_that_does_not_end_is_given_up(small_plane: ControlPlane) -> None:
    with connected(small_plane) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")

        assert is_ended_by_the_server(connection)


def test_nobody_can_wait_at_the_rendezvous_with_endless_words(control_plane: ControlPlane) -> None:
    process = psutil.Process(control_plane.child("control-plane").pid)
    port = next(
        one.laddr.port for one in process.net_connections()
        if one.status == "LISTEN" and one.laddr.port != httpx2.URL(control_plane.url).port
    )  # fmt: skip
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain) as connection,
        pytest.raises((ConnectionError, ssl.SSLError)),
    ):
        connection.sendall(b"x" * 65536 * 1000)

    assert "Unhandled exception" not in control_plane.logs()
