"""A remote control plane on a loopback port: TLS there, plain here, both CLIs' requests and streams between."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import TOKEN, Plane, Reply, running_plane, shop
from tests.cli.rendezvous import Authority

CLI = [sys.executable, "-m", "changeover.cli"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path)
    (tmp_path / "ca.pem").write_text(authority.certificate)
    return authority


@pytest.fixture
def remote(authority: Authority) -> Iterator[Plane]:
    """A control plane that answers over TLS only."""
    with running_plane(authority.context) as remote:
        remote.answers = shop()
        yield remote


@contextmanager
def running_proxy(remote: Plane, folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The process, and what it exports."""
    command = [*CLI, "proxy", remote.url, "--ca", str(folder / "ca.pem")]
    env = {**os.environ, "CHANGEOVER_API_KEY": TOKEN}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert "Ctrl-C ends it." in process.stderr.readline()
            lines = [process.stdout.readline() for _ in range(13)]
            words = [shlex.split(line)[1].partition("=") for line in lines]
            yield process, {name: value for name, _, value in words}
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def exported(remote: Plane, tmp_path: Path) -> Iterator[dict[str, str]]:
    with running_proxy(remote, tmp_path) as (_, exported):
        remote.asked.clear()
        yield exported


def connection(exported: dict[str, str]) -> http.client.HTTPConnection:
    parts = urlsplit(exported["HEROKU_HOST"])
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)


def test_it_exports_what_both_clis_need(exported: dict[str, str]) -> None:
    assert exported["CHANGEOVER_URL"] == exported["HEROKU_HOST"]
    assert urlsplit(exported["HEROKU_HOST"]).hostname == exported["HEROKU_DATA_HOST"] == "127.0.0.1"
    assert exported["HEROKU_API_KEY"] == TOKEN


def test_commands_work_through_it(remote: Plane, exported: dict[str, str]) -> None:
    ended = subprocess.run(
        [*CLI, "pg:info", "-a", "shop"], env={**os.environ, **exported}, check=True, capture_output=True
    )

    assert b"=== DATABASE_URL" in ended.stdout
    assert remote.asked[0].headers["x-forwarded-host"] == urlsplit(exported["HEROKU_HOST"]).netloc


def test_a_connection_carries_several_requests_and_chunked_bodies(remote: Plane, exported: dict[str, str]) -> None:
    line = connection(exported)
    for body in (None, b"x" * 300_000, iter([b"a" * 100_000, b"bc"])):
        line.request("POST" if body else "GET", "/account", body=body)
        line.getresponse().read()
    line.request("GET", "/account")
    assert json.loads(line.getresponse().read()) == {"email": "me@example.com"}
    line.close()

    assert [asked.method for asked in remote.asked] == ["GET", "POST", "POST", "GET"]
    assert [len(asked.body) for asked in remote.asked[1:3]] == [300_000, 100_002]


def test_a_stream_arrives_while_it_is_sent_and_others_pass_it(remote: Plane, exported: dict[str, str]) -> None:
    remote.answers["GET /stream"] = Reply(b"data: first\n\n", stays=True)
    streaming, other = connection(exported), connection(exported)
    streaming.request("GET", "/stream")
    assert streaming.getresponse().readline() == b"data: first\n"
    other.request("GET", "/account")
    assert other.getresponse().status == 200

    streaming.close()
    other.close()


def test_many_at_once_are_answered(exported: dict[str, str]) -> None:
    statuses = []

    def ask() -> None:
        line = connection(exported)
        line.request("GET", "/account")
        statuses.append(line.getresponse().status)
        line.close()

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 20


def test_another_host_name_is_refused(remote: Plane, exported: dict[str, str]) -> None:
    line = connection(exported)
    line.request("GET", "/account", headers={"Host": "evil.example.com"})
    response = line.getresponse()
    line.close()

    assert (response.status, remote.asked) == (421, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_told_to_even_with_a_stream_open(remote: Plane, tmp_path: Path, number: signal.Signals) -> None:
    remote.answers["GET /stream"] = Reply(b"data: first\n\n", stays=True)
    with running_proxy(remote, tmp_path) as (process, exported):
        line = connection(exported)
        line.request("GET", "/stream")
        line.getresponse().readline()
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
        line.close()

    assert (process.returncode, said) == (0, "")


def test_a_remote_that_goes_away_is_said_to_be_away(authority: Authority, tmp_path: Path) -> None:
    with running_plane(authority.context) as remote:
        remote.answers = shop()
        running = running_proxy(remote, tmp_path)
        _, exported = running.__enter__()
    ended = subprocess.run([*CLI, "apps"], env={**os.environ, **exported}, check=False, capture_output=True, text=True)
    running.__exit__(None, None, None)

    assert (ended.returncode, "is not reachable" in ended.stderr) == (3, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("http://127.0.0.1:1", "https://changeover.example.com"),
        ("https://127.0.0.1:1/path", "https://changeover.example.com"),
        ("https://127.0.0.1:1 --listen 0.0.0.0:0", "a loopback address"),
    ],
)
def test_what_would_carry_a_token_in_the_open_is_refused(typed: Keyboard, words: str, says: str) -> None:
    ended = typed("proxy", *words.split(), "--token", "x")

    assert (ended.exit_code, says in ended.stderr) == (2, True)


def test_without_a_token_nothing_starts(typed: Keyboard) -> None:
    assert "No token given." in typed("proxy", "https://127.0.0.1:1").stderr


def test_a_remote_that_is_not_certified_is_refused_at_once(typed: Keyboard, remote: Plane) -> None:
    ended = typed("proxy", remote.url, "--token", TOKEN)

    assert (ended.exit_code, "CERTIFICATE_VERIFY_FAILED" in ended.stderr) == (3, True)
