"""Log lines: what is asked for, what is printed, and that a lost connection neither loses nor repeats one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pexpect
import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import TOKEN, Plane, Reply, Turns

from changeover.cli.logs import painted, parsed
from changeover.cli.logstream import Event, events, lines_of
from changeover.errors import NoAnswer, NotFound

SESSIONS = "POST /apps/shop/log-sessions"
STREAM = "GET /logs/1?key=x"
WEB = "2026-01-01T00:00:00.000001+00:00 app[web.1]: GET / [200]"
ROUTER = '2026-01-01T00:00:00.000002+00:00 heroku[router]: at=error code=H12 method=GET path="/" status=503'


def stream(*sent: tuple[int, str], **changed: Any) -> Reply:
    """An event stream with these ids and lines, and a comment before."""
    body = ": hello\n\n" + "".join(f"id: {number}\ndata: {line}\n\n" for number, line in sent)
    return Reply(body.encode(), headers={"Content-Type": "text/event-stream"}, **changed)


@pytest.fixture
def logs(plane: Plane) -> Plane:
    plane.answers[SESSIONS] = Reply({"logplex_url": f"{plane.url}/logs/1?key=x"}, 201)
    plane.answers[STREAM] = stream((1, WEB), (2, ROUTER))
    return plane


def test_events_are_read_as_the_standard_says() -> None:
    lines = [
        b": comment\n",
        b"id:7\n",
        b"data: a\n",
        b"data:b\n",
        b"\n",
        b"\n",
        b"event: x\r\n",
        b"data\n",
        b"\n",
        b"data: cut",
    ]

    assert list(events(lines)) == [Event("7", "a\nb"), Event("7", "")]


def test_lines_are_printed_as_they_are_without_our_token(typed: Keyboard, logs: Plane) -> None:
    ended = typed("logs", "-a", "shop")

    assert (ended.exit_code, ended.stdout) == (0, f"{WEB}\n{ROUTER}\n")
    assert logs.sent(SESSIONS) == [{"lines": 100, "tail": False}]
    asked = logs.asked[-1].headers
    assert (asked["accept"], "authorization" in asked) == ("text/event-stream", False)


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ("-n 7 -s heroku", {"lines": 7, "source": "heroku"}),
        ("--ps web", {"dyno": "web"}),
        ("--process-type web", {"dyno": "web"}),
        ("--dyno web.1", {"dyno": "web.1"}),
        ("--dyno-name web.1 --num 1", {"dyno": "web.1", "lines": 1}),
    ],
)
def test_what_is_wanted_is_asked_of_the_server(typed: Keyboard, logs: Plane, words: str, sent: dict[str, Any]) -> None:
    typed("logs", "-a", "shop", *words.split())

    assert logs.sent(SESSIONS) == [{"lines": 100, "tail": False} | sent]


@pytest.mark.parametrize("words", ["-p web -d web.1", "-n 0", "-n many"])
def test_what_cannot_be_wanted_is_refused(typed: Keyboard, logs: Plane, words: str) -> None:
    assert typed("logs", "-a", "shop", *words.split()).exit_code == 2


def test_as_json_each_line_is_an_object(typed: Keyboard, logs: Plane) -> None:
    lines = [json.loads(line) for line in typed("logs", "-a", "shop", "--json").stdout.splitlines()]

    assert lines[0] == {
        "at": "2026-01-01T00:00:00.000001+00:00", "source": "app", "dyno": "web.1", "text": "GET / [200]",
    }  # fmt: skip
    assert lines[1]["dyno"] == "router"
    assert parsed("odd")["text"] == "odd"


def test_a_tail_goes_on_after_a_lost_connection_and_repeats_nothing(logs: Plane) -> None:
    over = Reply(None, 404)
    logs.answers[STREAM] = Turns([stream((1, "a"), (2, "b")), stream((2, "b"), (3, "c")), Reply(None, 503), over])
    lines = lines_of(f"{logs.url}/logs/1?key=x", follows=True, pause_s=0.01)

    assert [next(lines) for _ in range(3)] == ["a", "b", "c"]
    with pytest.raises(NotFound, match=r"Log stream timed out\. Please try again\."):
        next(lines)
    assert [asked.headers.get("last-event-id") for asked in logs.asked] == [None, "2", "3", "3"]


@pytest.mark.parametrize("tail", [True, False])
def test_a_stream_that_cannot_be_had_is_an_error(typed: Keyboard, logs: Plane, tail: bool) -> None:
    logs.answers[STREAM] = Reply(None, 500)
    ended = typed("logs", "-a", "shop", *(["--tail"] if tail else []))

    assert (ended.exit_code, "Logs eventsource failed with: 500" in ended.stderr) == (3, True)


def test_nobody_there_is_an_error_at_once() -> None:
    with pytest.raises(NoAnswer):
        next(lines_of("http://127.0.0.1:9/", follows=True))


def test_interrupting_a_tail_is_its_normal_end(logs: Plane) -> None:
    logs.answers[STREAM] = stream((1, WEB), stays=True)
    env = {**os.environ, "CHANGEOVER_URL": logs.url, "CHANGEOVER_API_KEY": TOKEN}
    command = [sys.executable, "-m", "changeover.cli", "logs", "--tail", "-a", "shop"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline() == f"{WEB}\n"
        tail.send_signal(signal.SIGINT)
        _, said = tail.communicate(timeout=20)

    assert (tail.returncode, said) == (0, "")


def test_on_a_terminal_each_dyno_has_its_colour(logs: Plane) -> None:
    env: dict[str, Any] = {**os.environ, "CHANGEOVER_URL": logs.url, "CHANGEOVER_API_KEY": TOKEN, "TERM": "xterm"}
    command = ["-m", "changeover.cli", "logs", "-a", "shop"]
    with pexpect.spawn(sys.executable, command, env=env, encoding="utf-8", timeout=20) as spawned:
        shown = spawned.read()

    assert shown.splitlines() == [painted(WEB), painted(ROUTER)]
    assert "\x1b[31mcode=H12\x1b[0m" in painted(ROUTER)
    assert painted(WEB).partition("m")[0] == painted(WEB.replace("web.1", "web.2")).partition("m")[0]
